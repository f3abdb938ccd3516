"""Read lunar mosaics: open, project, stream, filter and overview."""
