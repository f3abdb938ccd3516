"""Lunar mosaics: open, project, stream, filter and overview."""
