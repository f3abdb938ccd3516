"""Build, save and run encoders; `build.py` says how to add a family."""
