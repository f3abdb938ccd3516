"""A mosaic in an S3 store, read in ranges: moto's server stands for the store."""

import numpy as np
import pytest
import rasterio
from planted_moon import GEOGRAPHIC, write_array
from rasterio import Affine

from lunar_models.errors import MosaicError
from lunar_models.mosaic.raster import Mosaic, MosaicReader
from lunar_models.mosaic.source_files import source_digest

LOCAL = Affine(0.01, 0, 10, 0, -0.01, 5)
VALUES = np.random.default_rng(0).integers(1, 250, (300, 400)).astype(np.uint8)

with rasterio.Env() as _gdal:
    pytestmark = pytest.mark.skipif(
        "HTTP" not in _gdal.drivers(), reason="this GDAL is built without curl"
    )


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A bucket ``moon`` with ``maps/wac.tif``."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_S3_ENDPOINT": f"{host}:{port}",
        "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE", "no_proxy": "*",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="moon")
    path = write_array(
        tmp_path / "m.tif", VALUES, crs=GEOGRAPHIC, transform=LOCAL, driver="COG", blocksize=128
    )
    client.upload_file(str(path), "moon", "maps/wac.tif")
    yield
    server.stop()


@pytest.mark.parametrize("scheme", ["s3://", "/vsis3/"])
@pytest.mark.usefixtures("store")
def test_a_cog_in_a_bucket(scheme):
    mosaic = Mosaic.open(f"{scheme}moon/maps/wac.tif")
    with MosaicReader(mosaic) as reader:
        np.testing.assert_array_equal(
            reader.read_brightness(50, 60, 80, 90), VALUES[50:130, 60:150]
        )
    assert len(source_digest(mosaic.path)) == 64
    with pytest.raises(MosaicError, match=r"gone\.tif cannot be opened.*credentials of the store"):
        Mosaic.open(f"{scheme}moon/maps/gone.tif")
