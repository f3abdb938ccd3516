"""Open rasters through GDAL: local files, VRTs, archives and remote files, with errors in words."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError

from lunar_models.errors import MosaicError
from lunar_models.mosaic.virtual_raster import check_sources

_BLOCKS_LOOKED_AT = 256
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

_STORES = {"gs://": "/vsigs/", "az://": "/vsiaz/"}
"""GDAL's own names: rasterio would look for credentials elsewhere, or for an account None."""
_REMOTE = re.compile(
    r"(/vsi(zip|tar|gzip|7z|rar|subfile)/[^/]*)*"
    r"(https?:|ftp:|(s3|gs|az):|/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs)([/_?]|$))"
)
_PACKED = {
    ".zip": "zip://{}!NAME.tif",
    ".tar": "tar://{}!NAME.tif",
    ".tgz": "tar://{}!NAME.tif",
    ".gz": "/vsigzip/{}",
}
"""How GDAL is told to look into an archive."""
_LABELS = (".lbl", ".LBL", ".xml", ".hdr", ".HDR")


def gdal_path(path: str) -> str:
    """Convert ``zip://moon.zip!/wac.tif`` to ``/vsizip/moon.zip/wac.tif``, ``gs:`` to ``/vsigs``.

    Other paths are returned as they are.
    """
    for scheme, place in _STORES.items():
        path = place + path.removeprefix(scheme) if path.startswith(scheme) else path
    for scheme in ("zip", "tar"):
        if path.startswith(f"{scheme}://"):
            archive, _, member = path.removeprefix(f"{scheme}://").partition("!")
            return f"/vsi{scheme}/{archive}/{member.lstrip('/')}".rstrip("/")
    return path


def is_remote(path: str) -> bool:
    """Return whether a path leads over the network."""
    return _REMOTE.match(path) is not None


def gdal_environment(path: str) -> rasterio.Env:
    """GDAL's settings for reading a path."""
    return rasterio.Env(**(REMOTE_OPTIONS if is_remote(path) else GDAL_OPTIONS))


def open_raster(path: str) -> Any:
    """Open a raster whose parts are all there; use it within `gdal_environment`.

    Raises:
        MosaicError: missing, not a raster, truncated, or a VRT with a missing or differing source.
    """
    if path.lstrip().startswith("<VRTDataset"):
        raise MosaicError("The text of a VRT is no path; write it to a file and give that.")
    if _is_vrt(path):
        check_sources(path, Path(path).read_bytes(), open_raster, is_remote)
    try:
        data = rasterio.open(path)
    except (RasterioError, UnicodeDecodeError) as error:  # the latter of damaged texts in the file
        raise _unopened(path, error) from error
    if data.driver == "VRT" and not _is_vrt(path):  # in an archive, or remote
        check_sources(path, _vrt_text(data), open_raster, is_remote)
    if data.count == 0:
        names = ", ".join(data.subdatasets[:6]) or "none"
        data.close()
        raise MosaicError(f"{path} has no band itself; give one of its parts: {names}.")
    _check_whole(data)
    _check_written(data)
    return data


def _is_vrt(path: str) -> bool:
    """Whether a local file is a VRT, whatever its name."""
    if not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        return b"<VRTDataset" in file.read(1024)


def _vrt_text(data: Any) -> bytes:
    """The XML of an open VRT."""
    return "".join(data.tags(ns="xml:VRT").values()).encode()


def _unopened(path: str, error: RasterioError) -> MosaicError:
    remedy = "Check the path; if the file is damaged, download or copy it again."
    local = Path(path)
    if local.is_file() and local.suffix.lower() not in _PACKED:
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
    elif local.suffix.lower() in _PACKED and local.is_file():
        remedy = (
            f"Name the raster within the archive: {_PACKED[local.suffix.lower()].format(path)}."
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
        raise _truncated(data.name, have, end)


def _check_written(data: Any) -> None:
    """Raise MosaicError for blocks that are not in the file, and would be read as 0 without a word.

    GDAL reads past the end of an ENVI image, and blocks that a sparse GeoTIFF lacks, as zeros.
    """
    if data.driver == "ENVI":
        tags = data.tags(ns="ENVI")
        size = data.width * data.height * data.count * np.dtype(data.dtypes[0]).itemsize
        end, have = size + int(tags.get("header_offset", 0)), Path(data.name).stat().st_size
        if end > have:
            raise _truncated(data.name, have, end)
    if data.driver != "GTiff" or any(value is not None for value in data.nodatavals):
        return
    if MaskFlags.all_valid not in data.mask_flag_enums[0]:
        return
    rows, columns = data.block_shapes[0]
    down, across = -(-data.height // rows), -(-data.width // columns)
    for n in np.unique(np.linspace(0, down * across - 1, _BLOCKS_LOOKED_AT).astype(int)):
        place = f"{n % across}_{n // across}"
        if data.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", bidx=1) is None:
            raise MosaicError(
                f"{data.name} lacks blocks (a sparse GeoTIFF) and states no nodata value, so they "
                "would be black; say gdal_edit.py -a_nodata 0, or another value that no pixel has."
            )


def _truncated(path: str, have: int, end: int) -> MosaicError:
    return MosaicError(
        f"{path} is truncated: it has {have} bytes of at least {end}. Download or copy it again."
    )


def unread(path: str, row: int, error: RasterioError) -> MosaicError:
    """Return the error of a raster that opens but cannot be read."""
    return MosaicError(
        f"{path} cannot be read at row {row}: {error.__cause__ or error}. "
        "It may be truncated or damaged; download or copy it again."
    )
