"""Pack crops into a few large images (a texture atlas), so that a page holds 50,000 of them."""

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lunar_models.crops.display import display_crop

_ACROSS_PX = 2048
"""Side of one atlas page: 16 MB in the browser, and only pages that are looked at are decoded."""

_SIDES_PX = ((4_000, 64), (20_000, 48))
_SMALLEST_PX = 40
_QUALITY = 75


def build_atlas(crops: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Pack (N, S, S) uint8 crops into WebP pages.

    The more crops, the smaller each is drawn: 64 px up to 4,000 crops, 40 px from 20,000 on,
    never larger than S. 50,000 crops make about 15 MB.

    Returns:
        sprite_px, across (crops per row), per_page, and pages: base64 WebP, in order.
    """
    side = min(_side_px(len(crops)), crops.shape[1])
    across = _ACROSS_PX // side
    per_page = across**2
    pages = [
        _encode(_page(crops[start : start + per_page], side, across))
        for start in range(0, len(crops), per_page)
    ]
    return {"sprite_px": side, "across": across, "per_page": per_page, "pages": pages}


def _side_px(count: int) -> int:
    return next((side for most, side in _SIDES_PX if count <= most), _SMALLEST_PX)


def _page(crops: npt.NDArray[np.uint8], side: int, across: int) -> npt.NDArray[np.uint8]:
    lines = -(-len(crops) // across)
    page = np.zeros((lines, across, side, side), np.uint8)
    for k, crop in enumerate(crops):
        page[k // across, k % across] = display_crop(crop, side)
    return page.swapaxes(1, 2).reshape(lines * side, across * side)


def _encode(page: npt.NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(page).convert("RGB").save(file, "WEBP", quality=_QUALITY, method=2)
    return base64.b64encode(file.getvalue()).decode("ascii")
