"""Grey of red, green and blue: the same in mosaics and in images that are served."""

LUMINANCE_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""
