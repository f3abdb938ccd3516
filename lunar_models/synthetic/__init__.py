"""Synthesize a Moon with known truth: craters, relief, albedo, seams and shadows."""
