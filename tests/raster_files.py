"""Small rasters of a known scene, as the field stores them."""

import struct
from pathlib import Path

import numpy as np
import rasterio
from planted_moon import GEOGRAPHIC
from rasterio import Affine

from lunar_models.mosaic.raster import Mosaic, MosaicReader

LOCAL = Affine(0.01, 0, 10, 0, -0.01, 5)
METRES = Affine(300, 0, 0, 0, -300, 0)
SHAPE = (60, 80)

PDS3 = """PDS_VERSION_ID = PDS3
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = 160
FILE_RECORDS = 60
^IMAGE = "{data}"
OBJECT = IMAGE
 LINES = 60
 LINE_SAMPLES = 80
 SAMPLE_TYPE = {kind}
 SAMPLE_BITS = 16
 {extra}
END_OBJECT = IMAGE
OBJECT = IMAGE_MAP_PROJECTION
 MAP_PROJECTION_TYPE = "SIMPLE CYLINDRICAL"
 A_AXIS_RADIUS = 1737.4 <km>
 B_AXIS_RADIUS = 1737.4 <km>
 C_AXIS_RADIUS = 1737.4 <km>
 POSITIVE_LONGITUDE_DIRECTION = {direction}
 CENTER_LATITUDE = 0 <deg>
 CENTER_LONGITUDE = {centre} <deg>
 MAP_RESOLUTION = 10 <pix/deg>
 MAP_SCALE = 3032.335 <m/pix>
 LINE_PROJECTION_OFFSET = 29.5 <pix>
 SAMPLE_PROJECTION_OFFSET = 39.5 <pix>
END_OBJECT = IMAGE_MAP_PROJECTION
END
"""


def scene(low=20, high=240):
    return np.random.default_rng(0).integers(low, high, SHAPE).astype(np.uint8)


def write(path, values, **profile):
    """Write (H, W) or (B, H, W)."""
    values = values if values.ndim == 3 else values[None]
    attributes = {k: profile.pop(k) for k in ("scales", "offsets") if k in profile}
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype,
        "crs": GEOGRAPHIC,
        "transform": LOCAL,
        **profile,
    }
    height, width = values.shape[1:]
    with rasterio.open(
        path, "w", count=len(values), height=height, width=width, **profile
    ) as target:
        target.write(values)
        for name, value in attributes.items():
            setattr(target, name, value)
    return path


def brightness(path, **reading):
    mosaic = Mosaic.open(path, **reading)
    with MosaicReader(mosaic) as reader:
        return reader.read_brightness(0, 0, mosaic.height, mosaic.width)


def vrt(path, files, *, dtype="Byte", nodata=None, scale=None, relative=False):
    """A VRT that puts files of one size side by side."""
    dtype = {"uint8": "Byte", "int16": "Int16", "uint16": "UInt16", "float32": "Float32"}.get(
        dtype, dtype
    )
    wkt = rasterio.crs.CRS.from_user_input(GEOGRAPHIC).to_wkt().replace('"', "&quot;")
    height, width = SHAPE
    sources = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="{int(relative)}">'
        f"{file.name if relative else file}</SourceFilename><SourceBand>1</SourceBand>"
        f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>'
        f'<DstRect xOff="{n * width}" yOff="0" xSize="{width}" ySize="{height}"/></SimpleSource>'
        for n, file in enumerate(files)
    )
    extra = f"<NoDataValue>{float(nodata)!r}</NoDataValue>" if nodata is not None else ""
    extra += f"<Scale>{scale}</Scale>" if scale is not None else ""
    path.write_text(
        f'<VRTDataset rasterXSize="{width * len(files)}" rasterYSize="{height}"><SRS>{wkt}</SRS>'
        f"<GeoTransform>10,0.01,0,5,0,-0.01</GeoTransform>"
        f'<VRTRasterBand dataType="{dtype}" band="1">{extra}{sources}</VRTRasterBand></VRTDataset>'
    )
    return path


def pds3(folder, values, extra="", *, direction="EAST", centre=20):
    order = "MSB" if values.dtype.byteorder == ">" else "LSB"
    (folder / "moon.img").write_bytes(values.tobytes())
    text = PDS3.format(
        data="moon.img", kind=f"{order}_INTEGER", extra=extra, direction=direction, centre=centre
    )
    (folder / "moon.lbl").write_text(text.replace("\n", "\r\n"))
    return folder / "moon.lbl"


def orient(path, orientation, *, bigtiff=False, kind=3):
    """Give a TIFF the tag that GDAL neither writes nor reads in place of another.

    Its value is a SHORT as it should be, or of another type (1 BYTE, 4 LONG, 8 SSHORT, …).
    """
    stored, number = bytearray(Path(path).read_bytes()), "<HHQH" if bigtiff else "<HHIH"
    place = stored.index(struct.pack(number, 277, 3, 1, 1))  # SamplesPerPixel, 1 if missing
    value = struct.pack({1: "<B", 3: "<H", 4: "<I", 8: "<h", 9: "<i"}[kind], orientation)
    struct.pack_into(f"{number[:-1]}4s", stored, place, 274, kind, 1, value)
    Path(path).write_bytes(stored)
    return path
