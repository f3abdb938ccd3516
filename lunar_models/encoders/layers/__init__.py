"""Network parts that several encoder families share."""
