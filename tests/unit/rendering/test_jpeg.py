"""The simulated loss is that of Pillow's JPEG encoder."""

import io

import numpy as np
import pytest
import torch
from helpers import bowl_crops
from PIL import Image

from lunar_models.rendering.jpeg import as_jpeg


@pytest.mark.parametrize(("quality", "step"), [(50, 1.0), (75, 0.5)])
def test_as_pillow_writes_it(quality: int, step: float) -> None:
    generator = np.random.default_rng(0)
    crops = bowl_crops(8, 44, 0)[0].astype(np.float32)
    crops = (crops + generator.normal(0, 8, crops.shape)).clip(0, 255).round()
    ours = as_jpeg(torch.from_numpy(crops).float(), torch.full((8,), step))
    ours = ours.clamp(0, 255).round().numpy()
    theirs = np.stack([_through_pillow(crop, quality) for crop in crops])
    lost = np.abs(theirs - crops).mean()
    assert lost > 2
    assert np.abs(ours - crops).mean() == pytest.approx(lost, rel=0.05)
    assert np.abs(ours - theirs).mean() < 0.25 * lost


def _through_pillow(crop: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(crop.astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), np.float32)
