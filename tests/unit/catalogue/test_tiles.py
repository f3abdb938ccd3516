"""Map tiles of a catalogue hold each crater once, where it lies, the largest first."""

import numpy as np
import pyarrow as pa
import pytest

from lunar_models.catalogue import tiles
from lunar_models.catalogue.tiles import TileFile, TileKey, write_tiles
from lunar_models.errors import CatalogueError

COUNT = 9000


def planted(count=COUNT):
    """Craters everywhere, four in the corners of the map, and a crowd in one place."""
    generator = np.random.default_rng(0)
    longitude = generator.uniform(-180, 180, count)
    latitude = np.degrees(np.arcsin(generator.uniform(-1, 1, count)))
    longitude[:4], latitude[:4] = [-180.0, 179.999, -180.0, 179.999], [90.0, 90.0, -90.0, -90.0]
    longitude[4:1004] = generator.normal(33.3, 0.01, 1000)
    latitude[4:1004] = generator.normal(-7.7, 0.01, 1000)
    return pa.table(
        {
            "crater_id": [f"Ö{n}" if n % 7 else f"a/{n}" for n in range(count)],
            "longitude_deg": longitude,
            "latitude_deg": latitude,
            "diameter_km": generator.pareto(2.0, count) + 1.0,
            "cluster_id": pa.array(np.arange(count) % 5, pa.int32()),
        }
    )


@pytest.fixture(scope="module")
def craters():
    return planted()


@pytest.fixture(scope="module")
def opened(craters, tmp_path_factory):
    path = tmp_path_factory.mktemp("tiles") / "tiles.arrow"
    write_tiles(path, craters)
    return TileFile(path)


def bounds(key: TileKey) -> tuple[float, float, float, float]:
    side = 180.0 / 2**key.level
    west, north = key.column * side - 180.0, 90.0 - key.row * side
    return west, north - side, west + side, north


def test_every_crater_lies_in_one_tile_within_its_bounds(craters, opened):
    seen = []
    for key in opened.occupied:
        table = opened.tile(key).craters
        west, south, east, north = bounds(key)
        longitude, latitude = (table[f"{n}_deg"].to_numpy() for n in ("longitude", "latitude"))
        assert ((longitude >= west) & (longitude <= east)).all()
        assert ((latitude >= south) & (latitude <= north)).all()
        assert 0 < len(table) <= tiles.TILE_CRATERS
        seen += table["crater_id"].to_pylist()
    assert sorted(seen) == sorted(craters["crater_id"].to_pylist())


def test_counts_add_up(craters, opened):
    longitude, latitude = (craters[f"{n}_deg"].to_numpy() for n in ("longitude", "latitude"))
    above = dict.fromkeys(opened.occupied, 0)
    for key in opened.occupied:
        tile, (west, south, east, north) = opened.tile(key), bounds(key)
        inside = (longitude >= west) & (longitude < east)
        inside &= (latitude <= north) & ((latitude > south) | (south == -90.0))
        over = [TileKey(n, key.column >> key.level - n, key.row >> key.level - n)
                for n in range(key.level)]  # fmt: skip
        missing = sum(_within(opened.tile(k).craters, bounds(key)) for k in over)
        assert len(tile.craters) + tile.below + missing == inside.sum()
        above[key] = len(tile.craters) + tile.below
    assert sum(above[key] for key in above if key.level == 0) == COUNT


def _within(table, area):
    west, south, east, north = area
    longitude, latitude = (table[f"{n}_deg"].to_numpy() for n in ("longitude", "latitude"))
    inside = (longitude >= west) & (longitude < east) & (latitude <= north)
    return int((inside & ((latitude > south) | (south == -90.0))).sum())


def test_tiles_above_hold_the_larger_craters(opened):
    for key in opened.occupied:
        if key.level:
            above = TileKey(key.level - 1, key.column >> 1, key.row >> 1)
            least = opened.tile(above).craters["diameter_km"].to_numpy()
            assert len(least) == tiles.TILE_CRATERS
            assert least[-1] >= opened.tile(key).craters["diameter_km"].to_numpy()[0]
            assert (np.diff(least) <= 0).all()


def test_a_crater_is_found_by_walking_down_at_its_place_and_by_its_id(craters, opened):
    for row in (0, 1, 2, 3, 10, 500, 8999):
        crater = craters.slice(row, 1).to_pylist()[0]
        names = []
        for level in range(opened.levels):
            side = 180.0 / 2**level
            column = int((crater["longitude_deg"] + 180.0) // side)
            down = min(int((90.0 - crater["latitude_deg"]) // side), 2**level - 1)
            tile = opened.tile(TileKey(level, column, down))
            names += tile.craters["crater_id"].to_pylist()
        assert names.count(crater["crater_id"]) == 1
        found = opened.find(crater["crater_id"])
        assert opened.craters["catalogue_row"][found].as_py() == row
        assert opened.craters["diameter_km"][found].as_py() == crater["diameter_km"]
    assert opened.find("Ö") is None
    assert opened.find("zzz") is None


def test_bytes_do_not_depend_on_how_the_table_was_read(craters, tmp_path):
    write_tiles(tmp_path / "a", craters)
    write_tiles(tmp_path / "b", pa.concat_tables([craters.slice(0, 11), craters.slice(11)]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_crater_makes_no_tile(craters, tmp_path):
    write_tiles(tmp_path / "none", craters.slice(0, 0))
    opened = TileFile(tmp_path / "none")
    assert len(opened) == opened.levels == 0
    assert len(opened.tile(TileKey(0, 0, 0)).craters) == 0
    assert opened.find("a") is None


def test_what_is_no_place_or_no_tile_file_is_refused(craters, tmp_path):
    wrong = craters.set_column(3, "diameter_km", pa.array(np.full(COUNT, np.nan)))
    with pytest.raises(CatalogueError, match="without a place or a diameter"):
        write_tiles(tmp_path / "nan", wrong)
    (tmp_path / "cut").write_bytes(b"ARROW1")
    with pytest.raises(CatalogueError, match="cannot be read as map tiles"):
        TileFile(tmp_path / "cut")
    with pa.OSFile(str(tmp_path / "other"), "wb") as sink, \
            pa.ipc.new_file(sink, craters.schema) as writer:  # fmt: skip
        writer.write_table(craters)
    with pytest.raises(CatalogueError, match="cannot be read as map tiles"):
        TileFile(tmp_path / "other")
