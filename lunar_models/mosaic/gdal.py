"""Open rasters through GDAL: local files, VRTs, archives and remote files, with errors in words."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from lunar_models.errors import MosaicError
from lunar_models.mosaic.planetary_label import is_positive_west

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
    """``zip://moon.zip!wac.tif`` -> ``/vsizip/moon.zip/wac.tif``; other paths as they are."""
    for scheme in ("zip", "tar"):
        if path.startswith(f"{scheme}://"):
            return f"/vsi{scheme}/" + path.removeprefix(f"{scheme}://").replace("!", "", 1)
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
        _check_sources(path)
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
                "If it is a raw planetary product, bring it into ISIS and project it (cam2map), or "
                "convert it to a GeoTIFF."
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


def _check_sources(path: str) -> None:
    """Make sure that a VRT's tiles are there and mean the same by their numbers as the VRT does.

    GDAL passes a tile's numbers on and takes the scale, the offset and the nodata value of the VRT.
    """
    try:
        root = ElementTree.fromstring(Path(path).read_bytes())
    except ElementTree.ParseError as error:
        raise MosaicError(f"{path} is not a readable VRT: {error}. Make it again.") from error
    missing = []
    for band in root.iter("VRTRasterBand"):
        for source in band:
            name = _source_path(source, Path(path).parent)
            if name is None:
                continue
            if not name.startswith("/vsi") and not is_remote(name) and not Path(name).exists():
                missing.append(name)
            elif source.tag == "SimpleSource" and not missing:
                _check_same_numbers(path, band, source, name)
    missing = list(dict.fromkeys(missing))
    if missing:
        raise MosaicError(
            f"{path} is made of tiles of which {len(missing)} are missing, such as {missing[0]}; "
            "put them back, or make the VRT again with gdalbuildvrt."
        )


def _source_path(source: ElementTree.Element, folder: Path) -> str | None:
    element = source.find("SourceFilename")
    if element is None or not element.text:
        return None
    relative = element.get("relativeToVRT", element.get("relativetoVRT")) == "1"
    return str(folder / element.text) if relative else element.text


def _check_same_numbers(
    path: str, band: ElementTree.Element, source: ElementTree.Element, name: str
) -> None:
    """Raise MosaicError where a tile is scaled, offset or inverted otherwise than the VRT says."""

    def number(tag: str, default: float) -> float:
        element = band.find(tag)
        return default if element is None or not element.text else float(element.text)

    index = int(source.findtext("SourceBand") or 1)
    with open_raster(name) as tile:
        ours = (tile.scales[index - 1], tile.offsets[index - 1])
        inverted = tile.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
        nodata = tile.nodatavals[index - 1]
        west = is_positive_west(tile)
    theirs = (number("Scale", 1.0), number("Offset", 0.0))
    if not np.allclose(ours, theirs, rtol=1e-9, atol=0.0):
        fault = f"scale {ours[0]:g} and offset {ours[1]:g}, the VRT {theirs[0]:g} and {theirs[1]:g}"
    elif west:
        fault = "longitudes counted westward, which GDAL takes for eastward in a VRT"
    elif inverted:
        fault = "inverted grey (MinIsWhite), which a VRT cannot say"
    elif nodata is not None and not np.isclose(nodata, number("NoDataValue", np.nan), 1e-6, 0.0):
        if np.isnan(nodata):
            return  # NaN is without data anyway
        stated = band.findtext("NoDataValue") or "none"
        fault = f"the nodata value {nodata:g}, the VRT {stated}"
    else:
        return
    raise MosaicError(
        f"{path}: its tile {name} has {fault}. Give the tiles themselves (mosaic=A.tif,B.tif), or "
        "convert them first: gdal_translate -unscale -ot Float32."
    )


def unread(path: str, row: int, error: RasterioError) -> MosaicError:
    """The error of a raster that opens but cannot be read."""
    return MosaicError(
        f"{path} cannot be read at row {row}: {error.__cause__ or error}. "
        "It may be truncated or damaged; download or copy it again."
    )
