"""Mosaics that do not lie in a plain local file: archives, HTTP with ranges, raw frames."""

import http.server
import re
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import rasterio
from planted_moon import GEOGRAPHIC, write_array
from raster_files import orient
from rasterio import Affine

from lunar_models.errors import MosaicError
from lunar_models.mosaic.raster import Mosaic, MosaicReader
from lunar_models.mosaic.source_files import source_digest, source_state

LOCAL = Affine(0.01, 0, 10, 0, -0.01, 5)


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(1, 250, (700, 900)).astype(np.uint8)


@pytest.fixture
def cog(tmp_path, values):
    return write_array(
        tmp_path / "moon.tif", values, crs=GEOGRAPHIC, transform=LOCAL, driver="COG", blocksize=128
    )


class RangeServer(http.server.SimpleHTTPRequestHandler):
    """Answers one byte range a request, as object stores do."""

    sent = 0

    def send_head(self):
        return None

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        try:
            data = (self.server.folder / self.path.strip("/")).read_bytes()
        except OSError:
            return self.send_error(404)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, stop = (int(asked[1]), int(asked[2] or len(data) - 1) + 1) if asked else (0, None)
        part = data[start:stop]
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if asked:
            last = start + len(part) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(data)}")
        self.end_headers()
        if body:
            type(self).sent += len(part)
            self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RangeServer)
    server.folder = tmp_path
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def read(path, row=100, column=200, shape=(50, 60)):
    mosaic = Mosaic.open(path)
    with MosaicReader(mosaic) as reader:
        return mosaic, reader.read_brightness(row, column, *shape)


@pytest.mark.parametrize("form", ["{}/moon.tif", "/vsicurl/{}/moon.tif"])
def test_cog_over_http_is_read_in_ranges(cog, values, address, form):
    RangeServer.sent = 0
    path = form.format(address)
    mosaic, window = read(path)
    np.testing.assert_array_equal(window, values[100:150, 200:260])
    assert RangeServer.sent < cog.stat().st_size / 2
    assert source_state(mosaic.files[0]) == source_state(mosaic.files[0])
    before = source_digest(mosaic.files[0])
    assert len(before) == 64
    with pytest.raises(MosaicError, match=r"gone\.tif cannot be opened.*address"):
        Mosaic.open(path.replace("moon", "gone"))


PLACES = [
    "{1}/m.tif", "/vsicurl/{1}/m.tif", "zip://{0}/moon.zip!m.tif", "/vsizip/{0}/moon.zip/m.tif",
    "tar://{0}/moon.tar!m.tif", "/vsizip//vsicurl/{1}/moon.zip/m.tif",
]  # fmt: skip


def pack(folder, address, place):
    """Put m.tif of a folder into archives; a path to one of them, or to the server's."""
    with zipfile.ZipFile(folder / "moon.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "m.tif", "m.tif")
    with tarfile.open(folder / "moon.tar", "w") as archive:
        archive.add(folder / "m.tif", "m.tif")
    return place.format(folder, address)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_turned_tiff_is_refused_wherever_it_lies(tmp_path, values, address, place, orientation):
    write_array(tmp_path / "m.tif", values, crs=GEOGRAPHIC, transform=LOCAL)
    orient(tmp_path / "m.tif", orientation)
    place = pack(tmp_path, address, place)
    if orientation == 1:
        mosaic, window = read(place)
        np.testing.assert_array_equal(window, values[100:150, 200:260])
        assert len(source_digest(mosaic.files[0])) == 64
    else:
        with pytest.raises(MosaicError, match="that of TIFF"):
            Mosaic.open(place)


@pytest.mark.parametrize("place", PLACES)
def test_missing_blocks_are_refused_wherever_they_lie(tmp_path, address, place):
    profile = {"crs": GEOGRAPHIC, "transform": LOCAL, "dtype": "uint8", "count": 1}
    with rasterio.open(
        tmp_path / "m.tif", "w", height=600, width=600, sparse_ok=True, tiled=True, **profile
    ) as target:
        target.write(np.ones((1, 256, 256), np.uint8), window=((0, 256), (0, 256)))
    place = pack(tmp_path, address, place)
    with pytest.raises(MosaicError, match="lacks blocks"):
        Mosaic.open(place)


def test_archives(tmp_path, cog, values):
    with zipfile.ZipFile(tmp_path / "moon.zip", "w") as archive:
        archive.write(cog, "inside/moon.tif")
    with tarfile.open(tmp_path / "moon.tar", "w") as archive:
        archive.add(cog, "moon.tif")
    for path, archive in (
        (f"/vsizip/{tmp_path}/moon.zip/inside/moon.tif", "moon.zip"),
        (f"/vsizip/{{{tmp_path}/moon.zip}}/inside/moon.tif", "moon.zip"),
        (f"zip://{tmp_path}/moon.zip!/inside/moon.tif", "moon.zip"),
        (f"/vsitar/{tmp_path}/moon.tar/moon.tif", "moon.tar"),
    ):
        mosaic, window = read(path)
        np.testing.assert_array_equal(window, values[100:150, 200:260])
        assert mosaic.files == (str(tmp_path / archive),)
    with pytest.raises(MosaicError, match="cannot be opened"):
        Mosaic.open(f"/vsizip/{tmp_path}/moon.zip/none.tif")


def test_crs_in_place_of_a_missing_or_wrong_one(tmp_path, values):
    for crs in (None, "EPSG:4326"):
        path = write_array(tmp_path / "m.tif", values, crs=crs, transform=LOCAL)
        with pytest.raises(MosaicError, match=r"crs=IAU_2015:30110"):
            Mosaic.open(path)
        mosaic = Mosaic.open(path, crs="IAU_2015:30100")
        assert mosaic.projection == Mosaic.open(path, crs=GEOGRAPHIC).projection
    with pytest.raises(MosaicError, match="unreadable reference system"):
        Mosaic.open(path, crs="the Moon")
    bare = write_array(tmp_path / "bare.tif", values, crs=None, transform=Affine.identity())
    with pytest.raises(MosaicError, match=r"crs=IAU_2015:30100 alone does not say.*pixel boxes"):
        Mosaic.open(bare, crs="IAU_2015:30100")


def test_raw_frames_are_refused_with_the_way_out(tmp_path, values):
    cube = tmp_path / "raw.cub"
    write_array(cube, values, crs=GEOGRAPHIC, transform=LOCAL, driver="ISIS3")
    cube.write_bytes(cube.read_bytes().replace(b"Group = Mapping", b"Group = Without"))
    with pytest.raises(MosaicError, match=r"without map projection.*cam2map.*x_px, y_px"):
        Mosaic.open(cube)
    points = [rasterio.control.GroundControlPoint(0, 0, 10, 5), *(
        rasterio.control.GroundControlPoint(r, c, 10 + c / 100, 5 - r / 100)
        for r, c in ((0, 899), (699, 0), (699, 899))
    )]  # fmt: skip
    path = tmp_path / "gcps.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": 900, "height": 700}
    with rasterio.open(path, "w", **profile, gcps=points, crs=GEOGRAPHIC) as target:
        target.write(values, 1)
    with pytest.raises(MosaicError, match=r"control points only.*gdalwarp"):
        Mosaic.open(path)
    with pytest.raises(MosaicError, match="cannot be opened"):
        Mosaic.open(tmp_path / "none.tif")
