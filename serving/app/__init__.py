"""The HTTP application around the served model."""
