"""Store, normalise and resample crops."""

from lunar_models.crops.crop_set import CropSet, CropSetInfo, Radiometry
from lunar_models.crops.normalisation import Normalisation

__all__ = ["CropSet", "CropSetInfo", "Normalisation", "Radiometry"]
