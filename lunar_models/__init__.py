"""Crater crops, encoders, clusters and evidence: the library, free of MLflow and click."""

__version__ = "0.1.0"
