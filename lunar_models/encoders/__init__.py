"""Encoder families, checkpoints and inference. `build.py` says how to add a family."""
