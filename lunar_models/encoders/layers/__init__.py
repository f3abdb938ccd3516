"""Build the parts of networks that several encoder families use."""
