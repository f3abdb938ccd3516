"""Degradation of craters: shapes, diffusion, ages."""
