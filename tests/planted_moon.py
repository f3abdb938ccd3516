"""Mosaics of a Moon whose brightness is a known function of place, for tests of the crop engine."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

from lunar_models.arrays import Float64Array
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.mosaic.reference_system import parse_projection

Brightness = Callable[[Float64Array, Float64Array], Float64Array]
"""(longitude_deg, latitude_deg) -> brightness in 0..255."""

SPHERE = "+R=1737400 +units=m +no_defs +type=crs"
GEOGRAPHIC = "+proj=longlat +R=1737400 +no_defs +type=crs"
METRES_PER_DEGREE = np.radians(1.0) * 1_737_400.0


def angle_deg(
    longitude_deg: Any, latitude_deg: Any, *, from_longitude_deg: float, from_latitude_deg: float
) -> Float64Array:
    """Angular distance, by the haversine formula."""
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    from_longitude, from_latitude = np.radians(from_longitude_deg), np.radians(from_latitude_deg)
    q = (
        np.sin((latitude - from_latitude) / 2.0) ** 2
        + np.cos(latitude) * np.cos(from_latitude) * np.sin((longitude - from_longitude) / 2.0) ** 2
    )
    return np.asarray(np.degrees(2.0 * np.arcsin(np.minimum(np.sqrt(q), 1.0))))


def disc(longitude_deg: float, latitude_deg: float, diameter_km: float) -> Brightness:
    """A bright disc with a soft edge (a tenth of its radius wide) on grey ground."""
    radius = np.degrees(diameter_km / 2.0 / 1737.4)

    def brightness(longitude: Float64Array, latitude: Float64Array) -> Float64Array:
        distance = angle_deg(
            longitude, latitude, from_longitude_deg=longitude_deg, from_latitude_deg=latitude_deg
        )
        return np.asarray(130.0 - 70.0 * np.tanh((distance / radius - 1.0) / 0.1))

    return brightness


def write_mosaic(
    path: Path,
    brightness: Brightness,
    *,
    crs: str,
    transform: Affine,
    shape: tuple[int, int],
    dtype: str = "uint8",
    **profile: Any,
) -> Path:
    """Render a mosaic; `profile` goes to rasterio (nodata, tiled, compress, …)."""
    projection = parse_projection(crs, transform, "planted")
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    values = brightness(*projection.to_degrees(column_px=columns, row_px=rows))
    values = np.rint(values) if np.issubdtype(np.dtype(dtype), np.integer) else values
    return write_array(path, values.astype(dtype), crs=crs, transform=transform, **profile)


def write_array(
    path: Path, values: npt.NDArray[Any], *, crs: str | None, transform: Affine, **profile: Any
) -> Path:
    """Write an (H, W) array as a mosaic."""
    profile = {"driver": "GTiff", "count": 1, "dtype": values.dtype, **profile}
    height, width = values.shape
    with rasterio.open(
        path, "w", height=height, width=width, crs=crs, transform=transform, **profile
    ) as target:
        target.write(values, 1)
    return path


def global_transform(width: int, *, west_deg: float = -180.0, unit: float = 1.0) -> Affine:
    """Of a global map `width` columns wide, half as many rows; `unit` per degree."""
    step = 360.0 / width * unit
    return Affine(step, 0.0, west_deg * unit, 0.0, -step, 90.0 * unit)


def window_transform(
    crs: str, *, longitude_deg: float, latitude_deg: float, pixel_m: float, size: int
) -> Affine:
    """Of a map `size` pixels square around a place, in a metric projection."""
    unit = parse_projection(crs, Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0), "unit")
    x, y = unit.to_pixels(longitude_deg=longitude_deg, latitude_deg=latitude_deg)
    left, top = float(x) + 0.5 - size / 2 * pixel_m, -(float(y) + 0.5) + size / 2 * pixel_m
    return Affine(pixel_m, 0.0, left, 0.0, -pixel_m, top)


def crop_config(moon: Path, output: Path, **settings: Any) -> PreprocessConfig:
    """Parameters for the mosaic and craters of the fixture `noise_moon`, at 16 px."""
    return PreprocessConfig(
        **{
            "mosaic": (str(moon / "mosaic.tif"),),
            "catalogue": str(moon / "craters.csv"),
            "output": str(output),
            "crop_size_px": 16,
            **settings,
        }
    )


def file_digests(folder: Path) -> dict[str, str]:
    """sha256 of every file of a folder, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
