"""Define the luminance weights of red, green and blue, for mosaics and served images alike."""

LUMINANCE_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""
