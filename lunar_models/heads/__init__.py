"""Classify embeddings into degradation states."""
