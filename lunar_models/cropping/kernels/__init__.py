"""Sample crops with compiled kernels."""
