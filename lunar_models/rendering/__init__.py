"""Render single craters in batches, on any device."""
