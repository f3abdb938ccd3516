"""Sort a catalogue into map tiles, the largest craters first, and read a tile from a memory map.

Tiles are squares of 180/2^level degrees in longitude and latitude, 2^(level+1) columns from -180
degrees eastward and 2^level rows from the north pole: unlike those of a Mercator map they cover
the poles. Each crater lies in one tile: at the lowest level where it is among the `TILE_CRATERS`
largest that the levels before have left. A map draws a tile and all tiles above it.

The file is Arrow IPC, uncompressed, rows by level, tile and falling diameter:
    level, tile         row * columns + column, of the tile that holds the crater
    catalogue_row       where the crater stands in the table it came from
    by_id               rows of this file in the order of crater_id, to look one up
    crater_id, longitude_deg, latitude_deg, diameter_km, and whatever else is to be drawn
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lunar_models.errors import CatalogueError

TILE_CRATERS = 256
"""Craters of a tile; more can only lie in those of the last level."""
LAST_LEVEL = 14
"""Its tiles are 330 m wide."""
_COLUMNS = ("level", "tile", "catalogue_row", "by_id", "crater_id", "longitude_deg",
            "latitude_deg", "diameter_km")  # fmt: skip

Rows = npt.NDArray[np.int64]


class TileKey(NamedTuple):
    """Where a tile lies."""

    level: int
    column: int
    row: int


@dataclass(frozen=True)
class Tile:
    """The craters of one tile."""

    craters: pa.Table
    """Largest first."""
    below: int
    """Craters within the tile's bounds that lie in tiles of higher levels."""


def write_tiles(path: Path, craters: pa.Table) -> None:
    """Write a catalogue as tiles.

    Args:
        path: of the file; an existing one is replaced.
        craters: crater_id, longitude_deg (-180 to 180), latitude_deg, diameter_km, and columns
            that are to be drawn. Equal tables make equal bytes.

    Raises:
        CatalogueError: a place or a diameter is not finite.
    """
    place = [craters[name].to_numpy() for name in ("longitude_deg", "latitude_deg", "diameter_km")]
    if not all(np.isfinite(each).all() for each in place):
        raise CatalogueError("A crater without a place or a diameter belongs to no map tile.")
    level, tile = assign_tiles(*place)
    order = np.lexsort((-place[2], tile, level))
    sorted_craters = craters.take(pa.array(order))
    by_id = pc.sort_indices(sorted_craters["crater_id"])
    columns = {
        "level": pa.array(level[order]),
        "tile": pa.array(tile[order]),
        "catalogue_row": pa.array(order.astype(np.int32)),
        "by_id": by_id.cast(pa.int32()),
    }
    columns |= {name: sorted_craters[name] for name in sorted_craters.column_names}
    table = pa.table(columns).combine_chunks()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def assign_tiles(
    longitude_deg: npt.NDArray[np.float64],
    latitude_deg: npt.NDArray[np.float64],
    diameter_km: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return level and tile number of each of N craters."""
    level = np.full(len(diameter_km), LAST_LEVEL, np.uint8)
    left: Rows = np.argsort(-diameter_km, kind="stable")
    for each in range(LAST_LEVEL):
        numbers = _tile_numbers(longitude_deg[left], latitude_deg[left], each)
        grouped = np.argsort(numbers, kind="stable")  # by tile, the largest first in each
        ordered = numbers[grouped]
        first = np.searchsorted(ordered, ordered)
        chosen = grouped[np.arange(len(grouped)) - first < TILE_CRATERS]
        level[left[chosen]] = each
        left = np.delete(left, chosen)
    tile = np.empty(len(level), np.int32)
    for each in range(LAST_LEVEL + 1):
        here = level == each
        tile[here] = _tile_numbers(longitude_deg[here], latitude_deg[here], each)
    return level, tile


def _tile_numbers(
    longitude_deg: npt.NDArray[np.float64], latitude_deg: npt.NDArray[np.float64], level: int
) -> npt.NDArray[np.int32]:
    rows = 2**level
    column = np.floor((longitude_deg + 180.0) / 180.0 * rows).astype(np.int32) % (2 * rows)
    row = np.floor((90.0 - latitude_deg) / 180.0 * rows).astype(np.int32)
    return np.asarray(np.clip(row, 0, rows - 1) * (2 * rows) + column, np.int32)


class TileFile:
    """A file of tiles, memory-mapped: what is not asked for takes no memory.

    Raises:
        CatalogueError: it is not what `write_tiles` writes.
    """

    def __init__(self, path: Path) -> None:
        try:
            with pa.memory_map(str(path)) as source:
                self.craters: pa.Table = pa.ipc.open_file(source).read_all()
            level, tile = (self.craters[name].to_numpy() for name in ("level", "tile"))
            missing = set(_COLUMNS) - set(self.craters.column_names)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise CatalogueError(
                f"{path} cannot be read as map tiles ({error}); run classify into another output."
            ) from error
        if missing:
            lacking = ", ".join(sorted(missing))
            raise CatalogueError(f"{path} lacks the columns {lacking}; run classify again.")
        change = (np.diff(level) != 0) | (np.diff(tile) != 0)
        starts = [0, *(np.flatnonzero(change) + 1).tolist()] if len(level) else []
        stops = [*starts[1:], len(level)]
        self.levels = int(level[-1]) + 1 if len(level) else 0
        self._spans = {
            _key(int(level[start]), int(tile[start])): (start, stop)
            for start, stop in zip(starts, stops, strict=False)
        }
        self._below: dict[TileKey, int] = {}
        for key, (start, stop) in self._spans.items():
            for above in _ancestors(key):
                self._below[above] = self._below.get(above, 0) + stop - start

    def __len__(self) -> int:
        return len(self.craters)

    def tile(self, key: TileKey) -> Tile:
        """Return a tile; an empty one where no crater is."""
        start, stop = self._spans.get(key, (0, 0))
        return Tile(self.craters.slice(start, stop - start), self._below.get(key, 0))

    @property
    def occupied(self) -> list[TileKey]:
        """Return the tiles that hold craters, lowest level first."""
        return list(self._spans)

    def find(self, crater_id: str) -> int | None:
        """Return the row of a crater in `craters`; None if there is none of this id."""
        by_id, names = self.craters["by_id"], self.craters["crater_id"]
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            # As Arrow sorts: by the bytes of UTF-8.
            if names[by_id[middle].as_py()].as_py().encode() < crater_id.encode():
                low = middle + 1
            else:
                high = middle
        row: int | None = by_id[low].as_py() if low < len(self) else None
        return row if row is not None and names[row].as_py() == crater_id else None


def _key(level: int, tile: int) -> TileKey:
    row, column = divmod(tile, 2 ** (level + 1))
    return TileKey(level, column, row)


def _ancestors(key: TileKey) -> list[TileKey]:
    level, column, row = key
    return [TileKey(level - n, column >> n, row >> n) for n in range(1, level + 1)]
