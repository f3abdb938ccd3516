"""Open a map of the Moon, check that it can be placed, and read rows of it as uint8."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from lunar_models.compiled import compiled
from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import MosaicError
from lunar_models.mosaic.projection import Projection, parse_projection
from lunar_models.mosaic.source_files import source_files

GDAL_OPTIONS = {"GDAL_CACHEMAX": 192, "GDAL_NUM_THREADS": "2", "GTIFF_DIRECT_IO": "YES"}
"""Block cache in MB (blocks are read once, in order); threads that decompress; no copy through
the cache where a file is not compressed (which skips GDAL's own check for its end)."""

PERCENTILES = (0.1, 99.9)
"""Brightness percentiles that become 0 and 255 where a mosaic is not uint8."""

_SAMPLE_ROWS = 256
_SUPPORTED = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True)
class Mosaic:
    """A map raster of the Moon; its first band is brightness."""

    path: str
    width: int
    height: int
    dtype: str
    nodata: float | None
    masked: bool
    """Has a mask band or alpha band beside a nodata value."""
    projection: Projection
    files: tuple[str, ...]
    """The files it is made of (several for a VRT)."""

    @classmethod
    def open(cls, path: str | Path) -> "Mosaic":
        """Open a mosaic and check it.

        Raises:
            MosaicError: unreadable, of an unsupported type, or not placed on the Moon.
        """
        path = str(path)
        try:
            with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as data:
                dtype = data.dtypes[0]
                if dtype not in _SUPPORTED:
                    raise MosaicError(
                        f"{path} holds {dtype} values; convert it to one of "
                        f"{', '.join(_SUPPORTED)} with gdal_translate -ot."
                    )
                _check_whole(data)
                flags = data.mask_flag_enums[0]
                return cls(
                    path=path,
                    width=data.width,
                    height=data.height,
                    dtype=dtype,
                    nodata=data.nodata,
                    masked=MaskFlags.per_dataset in flags or MaskFlags.alpha in flags,
                    projection=parse_projection(
                        data.crs.to_wkt() if data.crs else None, data.transform, path
                    ),
                    files=source_files(path),
                )
        except RasterioError as error:
            raise _unopened(path, error) from error

    @property
    def has_nodata(self) -> bool:
        """Some pixels may be without data; they are read as 0, and valid pixels as 1 or more."""
        return self.masked or self.nodata is not None or self.dtype == "float32"

    @property
    def wraps(self) -> bool:
        """Columns go once around the Moon, so that the two edges meet."""
        return not self.projection.pole and abs(self.projection.turn_px - self.width) < 1.0

    @cached_property
    def reaches_poles(self) -> tuple[bool, bool]:
        """Whether the top and the bottom edge of a global mosaic lie at a pole."""
        if not self.wraps or self.projection.mercator:
            return False, False
        rows = np.array([-0.5, self.height - 0.5])
        _, latitude = self.projection.to_degrees(column_px=0.0, row_px=rows)
        pixel_deg = np.degrees(1.0 / abs(self.projection.ky))
        top, bottom = np.abs(np.abs(latitude) - 90.0) < 0.5 * pixel_deg
        return bool(top), bool(bottom)

    @cached_property
    def overview_valid(self) -> npt.NDArray[np.bool_]:
        """(h, w) bool: which of at most 1024 by 2048 evenly spread pixels have data.

        Raises:
            MosaicError: the file cannot be read.
        """
        shape = (min(self.height, 1024), min(self.width, 2048))
        if not self.has_nodata:
            return np.ones(shape, np.bool_)
        with rasterio.Env(**GDAL_OPTIONS), _open(self.path) as data:
            valid: npt.NDArray[np.bool_] = data.read_masks(1, out_shape=shape) > 0
            valid &= np.isfinite(data.read(1, out_shape=shape))
            return valid

    def reader(self, radiometry: Radiometry) -> "MosaicReader":
        """Open for reading; close it, or use it in a with statement."""
        return MosaicReader(self, radiometry)


class MosaicReader:
    """Reads windows of a mosaic as uint8; not for several threads at once."""

    def __init__(self, mosaic: Mosaic, radiometry: Radiometry) -> None:
        self.mosaic = mosaic
        self.radiometry = radiometry
        self._env = rasterio.Env(**GDAL_OPTIONS)
        with self._env:
            self._data = _open(mosaic.path)

    def __enter__(self) -> "MosaicReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()

    def read(self, row0: int, column0: int, out: npt.NDArray[np.uint8]) -> None:
        """Read the window of `out`'s shape that starts at (row0, column0) into `out`.

        Raises:
            MosaicError: the file cannot be read to the end of the window.
        """
        window = Window(column0, row0, out.shape[1], out.shape[0])
        plain = self.mosaic.dtype == "uint8" and self.mosaic.nodata in (None, 0.0)
        try:
            with self._env:
                if plain and not self.mosaic.masked:
                    self._data.read(1, window=window, out=out)
                    return
                values = self._data.read(1, window=window)
                mask = self._data.read_masks(1, window=window) if self.mosaic.masked else None
        except RasterioError as error:
            raise MosaicError(
                f"{self.mosaic.path} cannot be read at row {row0}: {error.__cause__ or error}. "
                "It may be truncated or damaged; download or copy it again."
            ) from error
        _encode(values, self.mosaic, self.radiometry, out)
        if mask is not None:
            out[mask == 0] = 0


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


def _open(path: str) -> Any:
    try:
        return rasterio.open(path)
    except RasterioError as error:
        raise _unopened(path, error) from error


def _unopened(path: str, error: RasterioError) -> MosaicError:
    remedy = "Check the path; if the file is damaged, download or copy it again."
    return MosaicError(f"{path} cannot be opened as a raster ({error}). {remedy}")


def _encode(
    values: npt.NDArray[Any], mosaic: Mosaic, radiometry: Radiometry, out: npt.NDArray[np.uint8]
) -> None:
    gain = 255.0 / (radiometry.high - radiometry.low)
    # No value equals NaN, so it serves as "no nodata value"; NaN pixels are always without data.
    nodata = np.nan if mosaic.nodata is None else mosaic.nodata
    lowest = 1.0 if mosaic.has_nodata else 0.0
    _scale(values, nodata, radiometry.low, gain, lowest, out)


@compiled()
def _scale(values: Any, nodata: float, low: float, gain: float, lowest: float, out: Any) -> None:
    for j in range(values.shape[0]):
        for i in range(values.shape[1]):
            value = np.float64(values[j, i])
            if value == nodata or not np.isfinite(value):
                out[j, i] = 0
            else:
                scaled = np.rint((value - low) * gain)
                out[j, i] = np.uint8(min(max(scaled, lowest), 255.0))


def fit_radiometry(mosaics: tuple[Mosaic, ...]) -> Radiometry:
    """Freeze how the mosaics' brightness becomes uint8.

    uint8 mosaics are left as they are. Otherwise `PERCENTILES` of rows spread evenly over all
    mosaics become 0 and 255.

    Raises:
        MosaicError: the mosaics have different types, or no valid pixel in the sampled rows.
    """
    dtypes = sorted({mosaic.dtype for mosaic in mosaics})
    if dtypes == ["uint8"]:
        return Radiometry()
    if len(dtypes) > 1:
        raise MosaicError(
            f"The mosaics hold different types ({', '.join(dtypes)}), whose brightness cannot be "
            "compared; convert them to one with gdal_translate -ot."
        )
    sample = np.concatenate([_sample_values(mosaic) for mosaic in mosaics])
    if sample.size == 0:
        raise MosaicError(f"{mosaics[0].path} has no valid pixel in {_SAMPLE_ROWS} sampled rows.")
    low, high = (float(value) for value in np.percentile(sample, PERCENTILES))
    if not high > low:
        raise MosaicError(f"{mosaics[0].path} has the same brightness {low} everywhere.")
    return Radiometry(source_dtype=dtypes[0], low=low, high=high)


def _sample_values(mosaic: Mosaic) -> npt.NDArray[np.float32]:
    """Valid values of evenly spread rows, thinned to about a thousand a row."""
    count = min(_SAMPLE_ROWS, mosaic.height)
    rows = (np.arange(count) * mosaic.height) // count
    thin = max(1, mosaic.width // 1024)
    kept = []
    with rasterio.Env(**GDAL_OPTIONS), _open(mosaic.path) as data:
        for row in rows:
            window = Window(0, int(row), mosaic.width, 1)
            values = data.read(1, window=window)[0, ::thin].astype(np.float32)
            valid = data.read_masks(1, window=window)[0, ::thin] > 0
            kept.append(values[valid & np.isfinite(values)])
    return np.concatenate(kept)
