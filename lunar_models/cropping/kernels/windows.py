"""Copy the window that one crop needs from a strip (compiled)."""

from typing import Any

import numpy as np

from lunar_models.compiled import compiled
from lunar_models.mosaic.strips import NODATA, Strip


@compiled()
def load_window(strip: Strip, top: int, left: int, pool: int, tile: Any) -> bool:
    """Copy a window, averaging `pool` columns to one.

    Args:
        strip: source.
        top: first row, in pixels of the strip's level.
        left: first column.
        pool: at least 1.
        tile: (rows, columns) float32, set to brightness; what lies outside or has no data gets
            `NODATA`.

    Returns:
        True if every pixel has data.
    """
    rows, columns = strip.pixels.shape
    top, left = top - strip.row0, left - strip.column0
    inside = top >= 0 and left >= 0 and top + tile.shape[0] <= rows
    inside = inside and left + tile.shape[1] * pool <= columns
    if not inside:
        tile[:] = np.float32(NODATA)
    complete = inside
    for j in range(max(0, -top), min(tile.shape[0], rows - top)):
        source = strip.pixels[top + j]
        if pool == 1:
            complete = _copy_row(source, left, tile[j], strip.has_nodata) and complete
        else:
            complete = _pool_row(source, left, pool, tile[j], strip.has_nodata) and complete
    return complete


@compiled(fast=True)
def _copy_row(source: Any, left: int, row: Any, has_nodata: bool) -> bool:
    begin, end = max(0, -left), min(row.size, source.size - left)
    for i in range(begin, end):
        row[i] = source[left + i]
    if not has_nodata:
        return True
    empty = 0
    for i in range(begin, end):
        empty += row[i] == np.float32(NODATA)
    return empty == 0


@compiled(fast=True)
def _pool_row(source: Any, left: int, pool: int, row: Any, has_nodata: bool) -> bool:
    """Without data where fewer than half of the columns have any."""
    complete = True
    for i in range(row.size):
        total = count = 0
        first = left + i * pool
        for column in range(max(0, first), min(first + pool, source.size)):
            value = source[column]
            total += value
            count += value != NODATA or not has_nodata
        complete = complete and count == pool
        row[i] = total / count if 2 * count >= pool else NODATA
    return complete
