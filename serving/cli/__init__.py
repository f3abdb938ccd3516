"""Define the command lines (serve, classify, token, batch) and the options made from a config."""
