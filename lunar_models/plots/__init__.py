"""Draw figures: arrays and tables in, a matplotlib Figure out. No files, no global state."""
