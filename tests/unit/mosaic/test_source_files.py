"""Every file that decides what a data set holds is listed."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from lunar_models.mosaic.source_files import source_files

VRT = """<VRTDataset rasterXSize="8" rasterYSize="8"><GeoTransform>0,9,0,0,0,-9</GeoTransform>
<VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


def names(path) -> set[str]:
    return {Path(name).name for name in source_files(path)}


@pytest.fixture
def tile(tmp_path):
    return write(tmp_path / "tile.tif")


def write(path: Path, driver: str = "GTiff", **profile) -> Path:
    profile = {"count": 1, "dtype": "uint8", "width": 8, "height": 8, **profile}
    transform = Affine(9, 0, 0, 0, -9, 0)
    with rasterio.open(path, "w", driver=driver, transform=transform, **profile) as data:
        data.write(np.ones((1, 8, 8), np.uint8))
    return path


def test_a_vrt_of_a_vrt_reaches_the_tiles_and_their_sidecars(tile, tmp_path):
    (tmp_path / "tile.tif.aux.xml").write_text("<PAMDataset/>")
    (tmp_path / "inner.vrt").write_text(VRT.format("tile.tif"))
    (tmp_path / "outer.vrt").write_text(VRT.format("inner.vrt"))
    expected = {"outer.vrt", "inner.vrt", "tile.tif", "tile.tif.aux.xml"}
    assert names(tmp_path / "outer.vrt") == expected
    assert source_files(tmp_path / "outer.vrt")[0] == str(tmp_path / "outer.vrt")


def test_masks_beside_the_image(tile):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(tile, "r+") as data:
        data.write_mask(np.ones((8, 8), np.uint8))
    assert names(tile) == {"tile.tif", "tile.tif.msk"}


def test_world_files_count_where_they_place_the_image(tmp_path):
    write(tmp_path / "map.png", "PNG")
    (tmp_path / "map.pgw").write_text("9\n0\n0\n-9\n0\n0\n")
    assert {"map.png", "map.pgw"} <= names(tmp_path / "map.png")


def test_the_header_beside_a_raw_image(tmp_path):
    assert names(write(tmp_path / "raw.img", "ENVI")) >= {"raw.img", "raw.hdr"}


def test_the_image_of_a_detached_label(tmp_path):
    (tmp_path / "MOON.IMG").write_bytes(bytes(64))
    lines = [
        "PDS_VERSION_ID = PDS3", "RECORD_TYPE = FIXED_LENGTH", "RECORD_BYTES = 8",
        "FILE_RECORDS = 8", '^IMAGE = "MOON.IMG"', "OBJECT = IMAGE", "LINES = 8",
        "LINE_SAMPLES = 8", "SAMPLE_TYPE = UNSIGNED_INTEGER", "SAMPLE_BITS = 8",
        "END_OBJECT = IMAGE", "END",
    ]  # fmt: skip
    (tmp_path / "MOON.LBL").write_text("\r\n".join(lines) + "\r\n")
    assert names(tmp_path / "MOON.LBL") == {"MOON.LBL", "MOON.IMG"}


def test_the_parts_of_a_shapefile(tmp_path):
    for name in ("c.shp", "c.dbf", "c.SHX", "c.prj", "other.dbf", "c2.dbf"):
        (tmp_path / name).write_text("")
    assert names(tmp_path / "c.shp") == {"c.shp", "c.dbf", "c.SHX", "c.prj"}


def test_an_archive_stands_for_what_is_inside(tile, tmp_path):
    with zipfile.ZipFile(tmp_path / "moon.zip", "w") as archive:
        archive.write(tile, "tile.tif")
    inside = f"/vsizip/{tmp_path}/moon.zip/tile.tif"
    assert source_files(inside) == (str(tmp_path / "moon.zip"),)
    assert source_files("/vsicurl/http://nowhere.invalid/a.tif") == (
        "/vsicurl/http://nowhere.invalid/a.tif",
    )


def test_what_is_no_data_set_stands_for_itself(tmp_path):
    (tmp_path / "notes.md").write_text("notes")
    (tmp_path / "loop.vrt").write_text(VRT.format("loop.vrt"))
    for name in ("notes.md", "missing.tif", "table.csv"):
        assert source_files(tmp_path / name) == (str(tmp_path / name),)
    assert names(tmp_path / "loop.vrt") == {"loop.vrt"}
