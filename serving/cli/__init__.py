"""Command lines: the server, classifying many craters, tokens; how options are made of a config."""
