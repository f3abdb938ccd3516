"""Crater catalogues: read any format, validate, filter; labels, states and spatial splits."""

from lunar_models.catalogue.table import filter_catalogue, read_catalogue

__all__ = ["filter_catalogue", "read_catalogue"]
