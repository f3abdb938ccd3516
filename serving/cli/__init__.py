"""Command lines: how options are made of a config, the server, and what stands beside it."""
