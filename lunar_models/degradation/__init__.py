"""Model the degradation of craters: shapes, diffusion, ages."""
