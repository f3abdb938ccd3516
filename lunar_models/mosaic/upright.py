"""Read the orientation tag (EXIF, TIFF) of an image, which GDAL ignores: is it stored upright?"""

import struct
from typing import Any

import rasterio

_ORIENTATION = 274
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
"""Types of the tag's value that libtiff takes -> struct's."""
_BYTES_OF_A_FILE = """<VRTDataset rasterXSize="{count}" rasterYSize="1">
<GeoTransform>0,2,0,0,0,2</GeoTransform>
<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">
<SourceFilename relativeToVRT="0">{path}</SourceFilename><ImageOffset>{start}</ImageOffset>
<PixelOffset>1</PixelOffset><LineOffset>{count}</LineOffset></VRTRasterBand></VRTDataset>"""
_UNKNOWN = -1


def is_upright(data: Any) -> bool:
    """Return whether the first pixel is the upper left one, by EXIF and by a TIFF's own tag.

    Args:
        data: an open rasterio dataset, local, remote or in an archive.
    """
    if data.tags().get("EXIF_Orientation", "1").strip() not in ("0", "1"):
        return False
    return data.driver not in ("GTiff", "COG") or _tiff_orientation(data) in (0, 1)


def _tiff_orientation(data: Any) -> int:
    """The tag that GDAL does not pass on, from the image directory of the file.

    1 if it is missing, -1 if it is of a type that cannot be an orientation.
    """
    start = data.get_tag_item("IFD_OFFSET", "TIFF", bidx=1)
    if start is None or not data.files:  # in memory
        return 1
    path = data.files[0]
    header = _read_bytes(path, 0, 4)
    order, big = "<" if header[:2] == b"II" else ">", 43 in header[2:]
    number, entry = (order + "Q", order + "HHQ8s") if big else (order + "H", order + "HHI4s")
    length = struct.calcsize(number)
    (entries,) = struct.unpack(number, _read_bytes(path, int(start), length))
    directory = _read_bytes(path, int(start) + length, entries * struct.calcsize(entry))
    for tag, kind, _, value in struct.iter_unpack(entry, directory):
        if tag == _ORIENTATION:
            letter = _WHOLE_NUMBERS.get(kind)
            if letter is None or struct.calcsize(order + letter) > len(value):
                return _UNKNOWN
            return int(struct.unpack_from(order + letter, value)[0])
    return 1


def _read_bytes(path: str, start: int, count: int) -> bytes:
    """Read bytes of a file wherever GDAL finds it, by calling them the pixels of an image."""
    quoted = path.replace("&", "&amp;").replace("<", "&lt;")
    text = _BYTES_OF_A_FILE.format(path=quoted, start=start, count=count)
    with (
        rasterio.Env(GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE="ALL"),
        rasterio.open(text) as data,
    ):
        return bytes(data.read(1).tobytes())
