"""Name what tables, figures and answers share: the columns of a crater and the states of wear."""

CRATER_COLUMNS = ("crater_id", "longitude_deg", "latitude_deg", "diameter_km")
"""A crater's name, where it lies and how large it is."""

STATE_NAMES = ("New", "Semi-New", "Semi-Old", "Old")
"""Degradation states 1 to 4, the freshest first."""
