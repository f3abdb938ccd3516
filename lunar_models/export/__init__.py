"""Write results as tables and maps that other programs open."""
