"""Read crater catalogues of any format, validate and filter them; labels, states and splits."""

from lunar_models.catalogue.table import filter_catalogue, read_catalogue

__all__ = ["filter_catalogue", "read_catalogue"]
