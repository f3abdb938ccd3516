"""Serve models: what is logged with a model, the HTTP application, batches and command lines."""
