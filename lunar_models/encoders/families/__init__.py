"""Implement one encoder family per file; `lunar_models.encoders.build` lists them."""
