"""Determine where the Sun stands in each crop, and how the crop is turned for it."""
