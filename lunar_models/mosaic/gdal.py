"""Open rasters through GDAL: local files, VRTs, archives and remote files, with errors in words."""

from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from lunar_models.errors import MosaicError
from lunar_models.mosaic.virtual_raster import check_sources

_CACHE_BYTES = 192 * 2**20  # rasterio takes bytes, where GDAL itself takes MB

GDAL_OPTIONS = {"GDAL_CACHEMAX": _CACHE_BYTES, "GDAL_NUM_THREADS": "2", "GTIFF_DIRECT_IO": "YES"}
"""Block cache (blocks are read once, in order); threads that decompress; no copy through
the cache where a file is not compressed (which skips GDAL's own check for its end)."""

REMOTE_OPTIONS = {
    "GDAL_CACHEMAX": _CACHE_BYTES,
    "GDAL_NUM_THREADS": "2",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of a server's folder
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_LOW_SPEED_TIME": "60",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "VSI_CACHE": "YES",
}

_REMOTE = ("http:", "https:", "ftp:", "s3:", "gs:", "az:", "/vsicurl", "/vsis3", "/vsigs", "/vsiaz")
_LABELS = (".lbl", ".LBL", ".xml", ".hdr", ".HDR")


def gdal_path(path: str) -> str:
    """``zip://moon.zip!/wac.tif`` -> ``/vsizip/moon.zip/wac.tif``; other paths as they are."""
    for scheme in ("zip", "tar"):
        if path.startswith(f"{scheme}://"):
            archive, _, member = path.removeprefix(f"{scheme}://").partition("!")
            return f"/vsi{scheme}/{archive}/{member.lstrip('/')}".rstrip("/")
    return path


def is_remote(path: str) -> bool:
    """Whether a path leads over the network."""
    return path.startswith(_REMOTE)


def gdal_environment(path: str) -> rasterio.Env:
    """GDAL's settings for reading a path."""
    return rasterio.Env(**(REMOTE_OPTIONS if is_remote(path) else GDAL_OPTIONS))


def open_raster(path: str) -> Any:
    """Open a raster whose parts are all there; use it within `gdal_environment`.

    Raises:
        MosaicError: missing, not a raster, truncated, or a VRT with a missing or differing source.
    """
    if path.lower().endswith(".vrt") and Path(path).is_file():
        check_sources(path, open_raster, is_remote)
    try:
        data = rasterio.open(path)
    except RasterioError as error:
        raise _unopened(path, error) from error
    if data.count == 0:
        names = ", ".join(data.subdatasets[:6]) or "none"
        data.close()
        raise MosaicError(f"{path} has no band itself; give one of its parts: {names}.")
    _check_whole(data)
    return data


def _unopened(path: str, error: RasterioError) -> MosaicError:
    remedy = "Check the path; if the file is damaged, download or copy it again."
    local = Path(path)
    if local.is_file():
        labels = [local.with_suffix(suffix) for suffix in _LABELS]
        label = next((file for file in labels if file.is_file() and file != local), None)
        if label is not None:
            remedy = f"It is the data of a detached label; give the label instead: {label}."
        elif local.suffix.lower() in (".lbl", ".xml", ".img", ".cub"):
            remedy = (
                "If it is a raw planetary product, bring it into ISIS and project it (cam2map); if "
                "its numbers are of a type that GDAL does not read, convert them (ISIS: cubeatt "
                "to=OUT.cub+Real)."
            )
    elif is_remote(path):
        remedy = "Check the address and the credentials of the store."
    return MosaicError(f"{path} cannot be opened as a raster ({error}). {remedy}")


def _check_whole(data: Any) -> None:
    """Raise MosaicError for a GeoTIFF that ends before its last block."""
    if data.driver != "GTiff" or not Path(data.name).is_file():
        return
    height, width = data.block_shapes[0]
    last = f"{(data.width - 1) // width}_{(data.height - 1) // height}"
    offset = data.get_tag_item(f"BLOCK_OFFSET_{last}", "TIFF", bidx=1)
    size = data.get_tag_item(f"BLOCK_SIZE_{last}", "TIFF", bidx=1)
    end, have = int(offset or 0) + int(size or 0), Path(data.name).stat().st_size
    if end > have:
        raise MosaicError(
            f"{data.name} is truncated: it has {have} bytes of at least {end}. "
            "Download or copy it again."
        )


def unread(path: str, row: int, error: RasterioError) -> MosaicError:
    """The error of a raster that opens but cannot be read."""
    return MosaicError(
        f"{path} cannot be read at row {row}: {error.__cause__ or error}. "
        "It may be truncated or damaged; download or copy it again."
    )
