"""Crater crops, encoders, clusters and evidence: the library, free of MLflow and click."""
