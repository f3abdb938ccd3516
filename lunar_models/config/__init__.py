"""Parameters of every step: a strict pydantic model each, with defaults, limits and help."""
