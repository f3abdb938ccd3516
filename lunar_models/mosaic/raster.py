"""Open a map of the Moon, check that it can be placed, and read rows of it as uint8."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from lunar_models.crops.crop_set import Radiometry
from lunar_models.mosaic.brightness import Encoding, brightness_to_uint8
from lunar_models.mosaic.gdal import gdal_environment, gdal_path, open_raster, unread
from lunar_models.mosaic.heights import check_heights
from lunar_models.mosaic.hillshade import Sun, height_scale_m, hillshade
from lunar_models.mosaic.masks import shown_pixels
from lunar_models.mosaic.metadata import is_lossy, read_encoding, require_palette
from lunar_models.mosaic.picture import picture_projection
from lunar_models.mosaic.planetary_label import height_unit_m
from lunar_models.mosaic.projection import Projection
from lunar_models.mosaic.reference_system import check_placed, is_placed, read_projection
from lunar_models.mosaic.source_files import source_files


@dataclass(frozen=True)
class Mosaic:
    """A map raster of the Moon."""

    path: str
    width: int
    height: int
    encoding: Encoding
    projection: Projection
    files: tuple[str, ...]
    """The files it is made of (several for a VRT)."""
    sun: Sun | None = None
    """From where a height model is lit; None for an image."""
    height_m: float = 1.0
    """Metres per unit of a height model."""
    placed: bool = True
    """Has a place on the Moon; else `projection` is that of `picture.py`."""
    lossy: bool = False
    """Compressed so that pixels are not exactly as they were."""

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        band: int | None = None,
        crs: str | None = None,
        shade: str | None = None,
        picture: int | None = None,
    ) -> "Mosaic":
        """Open a mosaic and check it.

        Args:
            path: anything GDAL opens: a file, a VRT, ``/vsizip/…``, ``https://…``, ``s3://…``.
            band: 1-based; None where there is one, or red, green and blue.
            crs: its reference system, in place of the one it states.
            shade: lights a height model: ``AZIMUTH,INCIDENCE`` of the Sun (`Sun.parse`).
            picture: number of an image that need not have a place on the Moon (`picture.py`).

        Raises:
            ConfigError: `shade` is not understood.
            MosaicError: unreadable, not understood, or not placed on the Moon.
        """
        path, sun = gdal_path(str(path)), Sun.parse(shade) if shade else None
        with gdal_environment(path), open_raster(path) as data:
            placed = picture is None or is_placed(data, crs)
            if placed:
                check_placed(data, path, crs)
            encoding = read_encoding(data, band, path)
            check_heights(data, encoding, sun, path)
            projection = (
                read_projection(data, crs, path)
                if placed
                else picture_projection(data.width, data.height, picture or 0)
            )
            found = cls(
                path=path,
                width=data.width,
                height=data.height,
                encoding=encoding,
                projection=projection,
                files=source_files(path),
                sun=sun,
                placed=placed,
                lossy=is_lossy(data),
            )
            if sun is None:
                return found
            return cls(
                **{**vars(found), "height_m": height_scale_m(found, sun, height_unit_m(data))}
            )

    @property
    def has_nodata(self) -> bool:
        """Some pixels may be without data; they are read as 0, and valid pixels as 1 or more."""
        return self.encoding.has_nodata

    @property
    def wraps(self) -> bool:
        """Columns go once around the Moon, so that the two edges meet."""
        return not self.projection.pole and abs(self.projection.turn_px - self.width) < 1.0

    @cached_property
    def reaches_poles(self) -> tuple[bool, bool]:
        """Whether the top and the bottom edge of a global mosaic lie at a pole."""
        if not self.wraps or self.projection.mercator:
            return False, False
        edges = np.array([-0.5, self.height - 0.5])
        _, latitude = self.projection.to_degrees(column_px=0.0, row_px=edges)
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
        return ~np.isnan(self.thin(shape))

    def thin(self, shape: tuple[int, int], *, average: bool = False) -> npt.NDArray[np.float64]:
        """Brightness (or height, unlit) of evenly spread pixels, (h, w) float64, NaN without data.

        Args:
            shape: (h, w).
            average: takes the mean of the pixels between instead, where all bytes are brightness.

        Raises:
            MosaicError: the file cannot be read.
        """
        mean = average and self.encoding.plain
        how = {"resampling": Resampling.average if mean else Resampling.nearest}
        with gdal_environment(self.path), open_raster(self.path) as data:
            try:
                bands = list(self.encoding.bands)
                values = data.read(bands, out_shape=(len(bands), *shape), **how)
                shown = shown_pixels(data, self.encoding, out_shape=shape)
            except RasterioError as error:
                raise unread(self.path, 0, error) from error
        require_palette(self.encoding, values, self.path)
        brightness = self.encoding.to_brightness(values)
        if shown is not None:
            brightness[~shown] = np.nan
        return brightness

    def reader(self, radiometry: Radiometry) -> "MosaicReader":
        """Open for reading; close it, or use it in a with statement."""
        return MosaicReader(self, radiometry)


class MosaicReader:
    """Reads windows of a mosaic; not for several threads at once."""

    def __init__(self, mosaic: Mosaic, radiometry: Radiometry | None = None) -> None:
        self.mosaic = mosaic
        self.radiometry = radiometry or Radiometry()
        self._env = gdal_environment(mosaic.path)
        self._bands = list(mosaic.encoding.bands)
        with self._env:
            self._data = open_raster(mosaic.path)

    def __enter__(self) -> "MosaicReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()

    def read(self, row0: int, column0: int, out: npt.NDArray[np.uint8]) -> None:
        """Read the window of `out`'s shape that starts at (row0, column0) into `out`, as uint8.

        Raises:
            MosaicError: the file cannot be read to the end of the window.
        """
        mosaic = self.mosaic
        if mosaic.sun is not None:
            brightness = self.read_brightness(row0, column0, *out.shape)
            out[:] = brightness_to_uint8(brightness, self.radiometry, lowest=1.0)
            return
        window = Window(column0, row0, out.shape[1], out.shape[0])
        if mosaic.encoding.plain:
            self._read(self._bands[0], window, out)
            return
        values, shown = self._read_stored(window)
        mosaic.encoding.to_uint8(values, self.radiometry, out)
        if shown is not None:
            out[~shown] = 0

    def read_brightness(
        self, row0: int, column0: int, rows: int, columns: int
    ) -> npt.NDArray[np.float64]:
        """Brightness of a window, (rows, columns) float64: NaN without data, inf saturated.

        Raises:
            MosaicError: the file cannot be read to the end of the window.
        """
        mosaic = self.mosaic
        if mosaic.sun is None:
            return self._decode(row0, column0, rows, columns)
        top, bottom, left, right = (
            min(1, row0),
            min(1, mosaic.height - row0 - rows),
            min(1, column0),
            min(1, mosaic.width - column0 - columns),
        )
        heights = self._decode(
            row0 - top, column0 - left, rows + top + bottom, columns + left + right
        )
        lit = hillshade(
            heights * mosaic.height_m, mosaic.projection, mosaic.sun, row0 - top, column0 - left
        )
        return lit[top : top + rows, left : left + columns]

    def _decode(self, row0: int, column0: int, rows: int, columns: int) -> npt.NDArray[np.float64]:
        values, shown = self._read_stored(Window(column0, row0, columns, rows))
        brightness = self.mosaic.encoding.to_brightness(values)
        if shown is not None:
            brightness[~shown] = np.nan
        return brightness

    def _read_stored(self, window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
        """Stored values (B, rows, columns), and which pixels have data where a mask says so."""
        values = self._read(self._bands, window)
        require_palette(self.mosaic.encoding, values, self.mosaic.path)
        try:
            with self._env:
                return values, shown_pixels(self._data, self.mosaic.encoding, window=window)
        except RasterioError as error:
            raise unread(self.mosaic.path, int(window.row_off), error) from error

    def _read(self, bands: int | list[int], window: Window, out: Any = None) -> npt.NDArray[Any]:
        try:
            with self._env:
                values: npt.NDArray[Any] = self._data.read(bands, window=window, out=out)
                return values
        except RasterioError as error:
            raise unread(self.mosaic.path, int(window.row_off), error) from error
