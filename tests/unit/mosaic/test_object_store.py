"""A mosaic in a store of objects, read in ranges: moto's S3, emulators of Google's and Azure's."""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import rasterio
from live_server import reserve_port
from planted_moon import GEOGRAPHIC, write_array
from raster_files import orient
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
    for name, data in _files(tmp_path).items():
        client.put_object(Bucket="moon", Key=f"maps/{name}", Body=data)
    yield
    server.stop()


@pytest.fixture
def google(monkeypatch, tmp_path):
    """The same in Google Cloud Storage."""
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    port = reserve_port()
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="moon")
    server.start()
    monkeypatch.setenv("CPL_GS_ENDPOINT", f"http://127.0.0.1:{port}/")
    monkeypatch.setenv("GS_NO_SIGN_REQUEST", "YES")
    monkeypatch.setenv("no_proxy", "*")
    address = f"http://127.0.0.1:{port}/upload/storage/v1/b/moon/o?uploadType=media&name=maps/"
    for name, data in _files(tmp_path).items():
        urllib.request.urlopen(urllib.request.Request(address + name, data)).close()
    yield "moon"
    server.stop()


@pytest.fixture
def azure(monkeypatch, tmp_path):
    """The same in Azure's blobs: Azurite (npm install -g azurite), its documented account."""
    azurite = shutil.which("azurite-blob")
    if azurite is None:
        pytest.skip("azurite-blob is not installed")
    port = reserve_port()
    address = f"http://127.0.0.1:{port}/{AZURITE[0]}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", ";".join([
        "DefaultEndpointsProtocol=http", f"AccountName={AZURITE[0]}", f"AccountKey={AZURITE[1]}",
        f"BlobEndpoint={address}",
    ]))  # fmt: skip
    monkeypatch.setenv("no_proxy", "*")
    command = [azurite, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck",
               "--disableTelemetry", "--blobPort", str(port)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) as server:
        try:
            _put_when_ready(address, "/moon", "?restype=container")
            for name, data in _files(tmp_path).items():
                _put(address, f"/moon/maps/{name}", "", data)
            yield "moon"
        finally:
            server.terminate()


AZURITE = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)


def _files(folder):
    wac = write_array(
        folder / "m.tif", VALUES, crs=GEOGRAPHIC, transform=LOCAL, driver="COG", blocksize=128
    )
    turned = write_array(folder / "turned.tif", VALUES, crs=GEOGRAPHIC, transform=LOCAL)
    return {"wac.tif": wac.read_bytes(), "turned.tif": orient(turned, 6).read_bytes()}


def _put_when_ready(address, place, query):
    for _ in range(200):
        try:
            return _put(address, place, query, b"")
        except urllib.error.URLError as error:
            if isinstance(error, urllib.error.HTTPError):
                raise
            time.sleep(0.1)
    raise AssertionError("Azurite does not answer")


def _put(address, place, query, data):
    """PUT with Azure's shared key."""
    headers = {
        "x-ms-blob-type": "BlockBlob",
        "x-ms-date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        "x-ms-version": "2021-08-06",
    }
    lines = [f"{name}:{value}" for name, value in headers.items()]
    resource = f"/{AZURITE[0]}/{AZURITE[0]}{place}" + query.replace("?", "\n").replace("=", ":")
    kind = "application/octet-stream"
    empty = [""] * 6
    signed = ["PUT", "", "", str(len(data) or ""), "", kind, *empty, *lines, resource]
    digest = hmac.digest(base64.b64decode(AZURITE[1]), "\n".join(signed).encode(), hashlib.sha256)
    headers["Authorization"] = f"SharedKey {AZURITE[0]}:{base64.b64encode(digest).decode()}"
    headers["Content-Type"] = kind
    request = urllib.request.Request(address + place + query, data, headers, method="PUT")
    urllib.request.urlopen(request).close()


def check(prefix):
    mosaic = Mosaic.open(f"{prefix}moon/maps/wac.tif")
    with MosaicReader(mosaic) as reader:
        np.testing.assert_array_equal(
            reader.read_brightness(50, 60, 80, 90), VALUES[50:130, 60:150]
        )
    assert len(source_digest(mosaic.path)) == 64
    with pytest.raises(MosaicError, match="that of TIFF"):
        Mosaic.open(f"{prefix}moon/maps/turned.tif")
    with pytest.raises(MosaicError, match=r"gone\.tif cannot be opened.*credentials of the store"):
        Mosaic.open(f"{prefix}moon/maps/gone.tif")


@pytest.mark.parametrize("scheme", ["s3://", "/vsis3/"])
@pytest.mark.usefixtures("store")
def test_a_cog_in_a_bucket(scheme):
    check(scheme)


@pytest.mark.parametrize("scheme", ["gs://", "/vsigs/"])
@pytest.mark.usefixtures("google")
def test_a_cog_in_google_cloud_storage(scheme):
    check(scheme)


@pytest.mark.parametrize("scheme", ["az://", "/vsiaz/"])
@pytest.mark.usefixtures("azure")
def test_a_cog_in_azure(scheme):
    check(scheme)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("gs://moon/wac.tif", "GS_NO_SIGN_REQUEST"),
        ("az://moon/wac.tif", "AZURE_STORAGE_CONNECTION_STRING"),
        ("s3://moon/wac.tif", "AWS_NO_SIGN_REQUEST"),
    ],
)
def test_missing_credentials_are_named(path, wanted, monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("AWS_", "GS_", "GOOGLE_", "AZURE_", "CPL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CPL_GCE_SKIP", "YES")  # ask no machine of a cloud
    monkeypatch.setenv("CPL_AWS_AUTODETECT_EC2", "NO")
    with pytest.raises(MosaicError, match=f"{wanted}.*credentials of the store"):
        Mosaic.open(path)
