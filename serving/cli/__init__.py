"""Command lines beside the server."""
