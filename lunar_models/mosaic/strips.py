"""Stream a mosaic through memory once, from top to bottom, as a pyramid of strips.

A strip holds the rows [k H, (k + 1) H) and, above them, as many earlier rows as the tallest crop
needs (the halo), so a crop is sampled from the strip that holds its lowest row. Level n is the
mosaic shrunk 2**n times by averaging; large craters are taken from there. Two sets of buffers
alternate: one is read into while crops are sampled from the other.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lunar_models.compiled import compiled
from lunar_models.mosaic.raster import Mosaic

STRIP_ROWS = 512

NODATA = 0
"""Value of pixels without data (valid ones are at least 1 where the mosaic has any such)."""


class Strip(NamedTuple):
    """Rows of a mosaic in memory, at one level."""

    pixels: npt.NDArray[np.uint8]
    """(rows, columns) uint8."""
    row0: int
    """Row of the first pixel, in pixels of this level; negative above the mosaic."""
    column0: int
    """Column of the first pixel, in pixels of this level; negative when wrapped around."""
    level: int
    """Each pixel is the mean of 2**level by 2**level mosaic pixels."""
    height_px: int
    """Rows of the whole mosaic at this level."""
    turn_px: int
    """Columns of 360 degrees at this level if the mosaic wraps around, else 0."""
    over_top: bool
    """The mosaic's upper edge is a pole, beyond which it continues, turned by 180 degrees."""
    over_bottom: bool
    has_nodata: bool


class RowReader(Protocol):
    """What strips are read with: a `MosaicReader`, or a filter around one."""

    def read(self, row0: int, column0: int, out: npt.NDArray[np.uint8]) -> None:
        """Fill `out` with the window that starts at (row0, column0)."""


@dataclass(frozen=True)
class StripPlan:
    """Which part of a mosaic is read, and how much of it is kept."""

    columns: tuple[int, int]
    """First and last + 1 column, multiples of 2**levels; beyond the mosaic only if it wraps."""
    halo_rows: tuple[int, ...]
    """Rows kept above each strip, by level, in pixels of the level."""
    levels: tuple[int, ...]
    """How many levels strip k needs; 0 where it need not be read at all."""
    strip_rows: int


def stream_strips(
    mosaic: Mosaic, reader: RowReader, plan: StripPlan, wanted: Sequence[int]
) -> Iterator[tuple[int, tuple[Strip, ...]]]:
    """Yield (k, the levels of strip k) for every wanted strip, in ascending order.

    A yielded strip is valid until the next one is asked for.

    Args:
        mosaic: what is read.
        reader: how it is read.
        plan: made for (at least) the wanted strips.
        wanted: indices of strips.
    """
    buffers = [_allocate(mosaic, plan), _allocate(mosaic, plan)]
    order = [k for k, levels in enumerate(plan.levels) if levels]
    with ThreadPoolExecutor(1, "read") as pool:

        def fill(n: int) -> None:
            previous = buffers[(n + 1) % 2] if n and order[n - 1] == order[n] - 1 else None
            _fill(mosaic, reader, plan, order[n], previous, buffers[n % 2])

        pending = pool.submit(fill, 0) if order else None
        for n, k in enumerate(order):
            assert pending is not None
            pending.result()
            if n + 1 < len(order):
                pending = pool.submit(fill, n + 1)
            if k in wanted:
                yield k, _strips(mosaic, plan, k, buffers[n % 2])


def plan_strips(
    mosaic: Mosaic,
    *,
    top: npt.NDArray[np.int64],
    bottom: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    level: npt.NDArray[np.int64],
    strip_rows: int,
) -> StripPlan:
    """Plan the reading of a mosaic for n crops (all arrays (n,), n at least 1).

    Args:
        mosaic: what is read.
        top: first row of each crop's window, in mosaic pixels, not above the mosaic.
        bottom: last row, not below the mosaic.
        left: first column; may lie beyond an edge of a mosaic that wraps around.
        right: last column.
        level: from which each crop is sampled.
        strip_rows: a multiple of 2**level of every crop.
    """
    count = int(level.max()) + 1
    unit = 1 << (count - 1)
    first, last = int(left.min()) // unit * unit, (int(right.max()) // unit + 1) * unit
    if not mosaic.wraps:
        first, last = max(first, 0), min(last, mosaic.width)
    levels = np.zeros(-(-mosaic.height // strip_rows), np.int64)
    for n in range(count):
        chosen = level == n
        for begin, end in np.unique(
            np.stack((top[chosen], bottom[chosen])) // strip_rows, axis=1
        ).T:
            levels[begin : end + 1] = n + 1
    halo = [
        int(((bottom - top)[level == n].max(initial=-1) >> n) + 2) // 2 * 2 for n in range(count)
    ]
    return StripPlan((first, last), tuple(halo), tuple(levels.tolist()), strip_rows)


def _allocate(mosaic: Mosaic, plan: StripPlan) -> list[npt.NDArray[np.uint8]]:
    buffers = []
    rows, columns = plan.strip_rows, plan.columns[1] - plan.columns[0]
    for halo in plan.halo_rows:
        buffers.append(np.zeros((halo + rows, columns), np.uint8))
        rows, columns = rows // 2, -(-columns // 2)
    return buffers


def _fill(
    mosaic: Mosaic,
    reader: RowReader,
    plan: StripPlan,
    k: int,
    previous: list[npt.NDArray[np.uint8]] | None,
    buffers: list[npt.NDArray[np.uint8]],
) -> None:
    """Read strip k, make its levels, and take the halo over from strip k - 1."""
    source = buffers[0]
    rows = min(plan.strip_rows, mosaic.height - k * plan.strip_rows)
    for level in range(plan.levels[k]):
        halo = plan.halo_rows[level]
        if previous is not None and halo:
            buffers[level][:halo] = previous[level][-halo:]
        target = buffers[level][halo : halo + rows]
        if level == 0:
            _read_columns(mosaic, reader, plan, k * plan.strip_rows, target)
        else:
            _halve(source, target, mosaic.has_nodata)
        source, rows = target, -(-rows // 2)


def _read_columns(
    mosaic: Mosaic, reader: RowReader, plan: StripPlan, row0: int, out: npt.NDArray[np.uint8]
) -> None:
    """Read the planned columns, around the edge of the mosaic where they go beyond it."""
    column, end = plan.columns
    while column < end:
        turn = column // mosaic.width
        stop = min(end, (turn + 1) * mosaic.width)
        first = column - plan.columns[0]
        reader.read(row0, column - turn * mosaic.width, out[:, first : first + stop - column])
        column = stop


def _strips(
    mosaic: Mosaic, plan: StripPlan, k: int, buffers: list[npt.NDArray[np.uint8]]
) -> tuple[Strip, ...]:
    """The levels of strip k, without rows that were not read."""
    over_top, over_bottom = mosaic.reaches_poles
    begin = k
    while begin and plan.levels[begin - 1]:
        begin -= 1
    strips = []
    for level in range(plan.levels[k]):
        unread = plan.strip_rows * k - (plan.halo_rows[level] << level)
        skip = max(0, (begin * plan.strip_rows - unread) >> level)
        height = -(-mosaic.height >> level)
        row0 = (unread >> level) + skip
        strips.append(
            Strip(
                pixels=buffers[level][skip : skip + height - row0],
                row0=row0,
                column0=plan.columns[0] >> level,
                level=level,
                height_px=height,
                turn_px=-(-mosaic.width >> level) if mosaic.wraps else 0,
                over_top=over_top,
                over_bottom=over_bottom,
                has_nodata=mosaic.has_nodata,
            )
        )
    return tuple(strips)


@compiled()
def _halve(source: Any, target: Any, has_nodata: bool) -> None:
    """Average 2 by 2 pixels; without data where fewer than two of them have any."""
    rows, columns = source.shape
    for j in range(target.shape[0]):
        upper, lower = source[2 * j], source[min(2 * j + 1, rows - 1)]
        result = target[j]
        for i in range(columns // 2):
            total = np.uint16(upper[2 * i]) + np.uint16(upper[2 * i + 1])
            total += np.uint16(lower[2 * i]) + np.uint16(lower[2 * i + 1])
            result[i] = (total + np.uint16(2)) >> np.uint16(2)
        if columns % 2:
            last = np.uint16(upper[columns - 1]) + np.uint16(lower[columns - 1])
            result[columns // 2] = (last + np.uint16(1)) >> np.uint16(1)
        if has_nodata:
            _mend_row(upper, lower, result)


@compiled()
def _mend_row(upper: Any, lower: Any, result: Any) -> None:
    """Average again, over the pixels with data, where some have none."""
    last = upper.size - 1
    for i in range(result.size):
        total = count = 0
        for column in (2 * i, min(2 * i + 1, last)):
            for value in (upper[column], lower[column]):
                total += value
                count += value != NODATA
        if count < 4:
            result[i] = (total + count // 2) // count if count >= 2 else NODATA
