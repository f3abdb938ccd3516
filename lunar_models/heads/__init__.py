"""Classification heads: from an embedding to a degradation state."""
