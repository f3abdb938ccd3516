"""List every file that a raster or vector data set is read from, and tell whether one changed."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from lunar_models.mosaic.gdal import gdal_environment, is_remote, open_raster, unread

TABLES = (".csv", ".txt", ".tsv", ".parquet", ".geoparquet", ".json", ".geojson")
"""What GDAL is not asked about: tables that consist of one file."""

_SHARED_STEM = (".shp", ".tab", ".mif", ".gml", ".kml")
"""Vector formats whose parts lie side by side: same stem, other suffixes."""
_FINGERPRINT_BLOCKS = 16
_ARCHIVE = re.compile(r"^(?:/vsi(?:zip|tar|gzip|7z|rar)/\{?)+")


def source_files(path: str | Path) -> tuple[str, ...]:
    """List the files behind `path`: itself, sidecars, and the sources of a VRT, at any depth.

    GDAL names the direct parts (``.aux.xml``, ``.msk``, ``.ovr``, world files, the image of a
    detached label); of a VRT it names the tiles, but neither their sidecars nor what another VRT
    among them refers to, so each part is asked in turn.

    Args:
        path: a file, or a name that GDAL understands, such as ``/vsizip/moon.zip/wac.tif``.

    Returns:
        names without repetition, the given one first. A file inside an archive is represented by
        the archive. Names that are no files here (remote ones, missing tiles) are kept as they are.
    """
    found: dict[str, None] = {}
    waiting = [str(path)]
    while waiting:
        name = waiting.pop(0)
        if (place := _archive(name)) not in found:
            found[place] = None
            waiting += _parts(name)
    return tuple(found)


def _parts(name: str) -> list[str]:
    place = Path(name)
    suffix = place.suffix.lower()
    if suffix in TABLES:
        return []
    if suffix in _SHARED_STEM:
        beside = place.parent.glob("*") if place.parent.is_dir() else ()
        return sorted(str(p) for p in beside if p.stem.lower() == place.stem.lower())
    try:
        with gdal_environment(name), rasterio.open(name) as data:
            return [part for part in data.files if part != name]
    except (RasterioError, ValueError):  # not a raster; whoever reads it says so
        return []


def _archive(name: str) -> str:
    """``/vsizip/moon.zip/wac.tif`` -> ``moon.zip``; other names as they are."""
    inside = _ARCHIVE.sub("", name)
    if inside == name:
        return name
    place = Path(inside.replace("}", ""))
    return next((str(p) for p in (place, *place.parents) if p.is_file()), name)


def source_state(path: str) -> list[Any]:
    """Return what changes with a source: size and time of a file, or a sample of remote pixels.

    Raises:
        FileNotFoundError: there is no such file.
        MosaicError: a remote raster cannot be read.
    """
    if is_remote(path):
        return [_fingerprint(path)]
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def source_digest(path: str) -> str:
    """sha256 of a file, or of a sample of remote pixels."""
    if is_remote(path):
        return _fingerprint(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fingerprint(path: str) -> str:
    """sha256 of a raster's profile and of evenly spread blocks."""
    with gdal_environment(path), open_raster(path) as data:
        sha = hashlib.sha256(repr((data.shape, data.dtypes, data.transform, data.crs)).encode())
        rows, columns = data.block_shapes[0]
        down, across = -(-data.height // rows), -(-data.width // columns)
        for n in np.unique(np.linspace(0, down * across - 1, _FINGERPRINT_BLOCKS).astype(int)):
            j, i = divmod(int(n), across)
            window = Window(i * columns, j * rows, columns, rows).crop(data.height, data.width)
            try:
                sha.update(data.read(1, window=window).tobytes())
            except RasterioError as error:
                raise unread(path, j * rows, error) from error
    return sha.hexdigest()
