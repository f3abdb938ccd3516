"""Fixtures for all tests."""

from pathlib import Path

import pytest
from helpers import make_crop_set_folder
from hypothesis import settings

from lunar_models.crops.crop_set import CropSet

# No test is about time, and the machine may be busy.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def crop_set(tmp_path: Path) -> CropSet:
    """60 crops of 32 px: 42 to train, 9 to validate, 9 to test."""
    return make_crop_set_folder(tmp_path / "crops")
