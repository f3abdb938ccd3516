"""Compiled kernels give equal bits in the process that compiles them and in all later ones."""

import os
import subprocess
import sys

import pytest
from planted_moon import crop_config

SAMPLE = """
import hashlib, sys
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.crop_plan import plan_crops
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.streaming import cut_units, stream_crops

mosaic, catalogue = sys.argv[1:]
config = PreprocessConfig(mosaic=(mosaic,), catalogue=catalogue, crop_size_px=32)
plan = plan_crops(config, open_mosaics(config))
sha = hashlib.sha256()
for _, crops, measures in stream_crops(plan, cut_units(plan.segments, 1024)):
    sha.update(crops.tobytes() + measures.tobytes())
print(sha.hexdigest())
"""


@pytest.mark.slow
def test_first_process_after_an_installation_makes_the_same_bits(noise_moon, tmp_path):
    config = crop_config(noise_moon, tmp_path / "crops")
    command = [sys.executable, "-c", SAMPLE, *config.mosaic, config.catalogue]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, second = (
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    )
    assert first == second
