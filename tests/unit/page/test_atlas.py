"""Crops lie in the atlas where the page looks for them."""

import base64
import io

import numpy as np
from PIL import Image

from lunar_models.page.atlas import build_atlas


def test_crops_lie_in_the_atlas_in_order() -> None:
    crops = np.zeros((300, 128, 128), np.uint8)
    crops[:, :64] = (np.arange(300) % 200 + 40).astype(np.uint8)[:, None, None]
    crops[:, :, 120:] = 255
    atlas = build_atlas(crops)
    assert (atlas["sprite_px"], atlas["across"], len(atlas["pages"])) == (64, 32, 1)
    page = np.asarray(Image.open(io.BytesIO(base64.b64decode(atlas["pages"][0]))).convert("L"))
    assert page.shape == (10 * 64, 32 * 64)
    # the last crop: bright above, dark below
    cell = page[9 * 64 : 10 * 64, (299 % 32) * 64 : (299 % 32) * 64 + 40]
    assert cell[:28].mean() > cell[36:].mean() + 50


def test_many_crops_are_drawn_smaller_on_several_pages() -> None:
    atlas = build_atlas(np.zeros((20_001, 40, 40), np.uint8))
    assert atlas["sprite_px"] == 40
    assert len(atlas["pages"]) == -(-20_001 // (2048 // 40) ** 2)
