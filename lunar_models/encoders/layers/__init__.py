"""Share network parts among encoder families."""
