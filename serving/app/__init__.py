"""Serve the model over HTTP."""
