"""Define the parameters of every step: a strict pydantic model with defaults, limits and help."""
