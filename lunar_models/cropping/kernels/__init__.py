"""Compiled sampling kernels."""
