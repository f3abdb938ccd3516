"""Crop, embed, cluster, classify and date lunar craters, independently of MLflow and click."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lunar_models.catalogue.table import read_catalogue
    from lunar_models.cropping.extraction import make_crop_set
    from lunar_models.cropping.single import extract_crop
    from lunar_models.crops.crop_set import CropSet
    from lunar_models.embedding import embed_crops
    from lunar_models.encoders.checkpoint import Checkpoint

__version__ = "0.2.0"

_PUBLIC = {
    "Checkpoint": "lunar_models.encoders.checkpoint",
    "CropSet": "lunar_models.crops.crop_set",
    "embed_crops": "lunar_models.embedding",
    "extract_crop": "lunar_models.cropping.single",
    "make_crop_set": "lunar_models.cropping.extraction",
    "read_catalogue": "lunar_models.catalogue.table",
}
"""Where each public name is defined; importing the package alone loads none of them."""

__all__ = [
    "Checkpoint",
    "CropSet",
    "embed_crops",
    "extract_crop",
    "make_crop_set",
    "read_catalogue",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first access (PEP 562)."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
