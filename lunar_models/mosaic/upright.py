"""Find out whether an image is to be turned before it is looked at, which GDAL does not do."""

from pathlib import Path
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_ORIENTATION = 274
_TIFF = {b"II*\0": 8, b"MM\0*": 8, b"II+\0": 16, b"MM\0+": 16}
"""Length of the header by its first bytes."""


def is_upright(data: Any) -> bool:
    """Whether the first pixel is the upper left one, by EXIF and by a local TIFF's own tag.

    Args:
        data: an open rasterio dataset.
    """
    if data.tags().get("EXIF_Orientation", "1").strip() not in ("0", "1"):
        return False
    return data.driver not in ("GTiff", "COG") or _tiff_orientation(data.name) in (0, 1)


def _tiff_orientation(path: str) -> int:
    if not Path(path).is_file():  # in an archive or remote: GDAL does not pass the tag on
        return 1
    with open(path, "rb") as file:
        header = file.read(8)
        header += file.read(_TIFF.get(header[:4], 8) - 8)
        directory = ImageFileDirectory_v2(header)
        file.seek(directory.next)
        directory.load(file)
    return int(directory.get(_ORIENTATION, 1))
