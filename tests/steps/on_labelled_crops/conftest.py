"""The crop set of the steps that need labels: larger than that of other tests."""

import pytest
from helpers import make_crop_set_folder

from lunar_models.crops.crop_set import CropSet


@pytest.fixture
def crop_set(tmp_path) -> CropSet:
    """240 crops of 32 px, so that every spatial fold holds craters of each state."""
    return make_crop_set_folder(tmp_path / "crops", n=240)
