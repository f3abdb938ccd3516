"""Define the HTTP routes, by subject."""
