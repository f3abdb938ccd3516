"""Write large mosaics and catalogues to measure with: realistic sizes and crater statistics."""

from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from rasterio.windows import Window
from scipy.ndimage import gaussian_filter

WAC_WIDTH, WAC_HEIGHT = 109_164, 54_582
"""Pixels of the LROC WAC global mosaic."""
WAC_PIXEL_M = 100.0

ROBBINS_COUNT = 1_296_796
_ROBBINS_SIZES_KM = np.array([1.0, 5.0, 20.0, 100.0, 300.0, 1000.0])
_ROBBINS_LARGER = np.array([1_296_796, 83_000, 6_972, 340, 45, 2])
"""Craters at least so large: Robbins 2018 (doi 10.1029/2018JE005592) to 20 km, then roughly."""

_CHUNK_ROWS = 512


def write_mosaic(
    path: Path, *, width: int, height: int, pixel_m: float, layout: str = "striped"
) -> Path:
    """Write a uint8 equirectangular mosaic of blurred noise around (0, 0), unless it is there.

    Args:
        path: of the GeoTIFF.
        width: columns.
        height: rows.
        pixel_m: size of a pixel.
        layout: striped, tiled (both uncompressed) or deflate (tiled).
    """
    if path.exists():
        return path
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": 1,
        "dtype": "uint8",
        "crs": "IAU_2015:30110",
        "transform": Affine(pixel_m, 0, -width / 2 * pixel_m, 0, -pixel_m, height / 2 * pixel_m),
        "BIGTIFF": "IF_SAFER",
    }
    if layout != "striped":
        profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
    if layout == "deflate":
        profile |= {"compress": "deflate", "zlevel": 1, "num_threads": "all_cpus"}
    texture = _texture(2048)
    row = np.tile(texture, (1, -(-width // 2048)))[:, :width]
    fresh = path.with_suffix(".new.tif")
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(fresh, "w", **profile) as target:
        for start in range(0, height, _CHUNK_ROWS):
            rows = min(_CHUNK_ROWS, height - start)
            first = start % 2048
            target.write(row[first : first + rows], 1, window=Window(0, start, width, rows))
    fresh.rename(path)
    return path


def _texture(size: int) -> np.ndarray:
    """Blurred noise that continues across its edges, about 90 ± 25."""
    noise = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    rough = sum(gaussian_filter(noise, s, mode="wrap") * s for s in (1.0, 3.0, 9.0))
    return np.clip(90 + 25 * rough / rough.std(), 1, 255).astype(np.uint8)


def write_catalogue(
    path: Path,
    count: int,
    *,
    diameter_max_km: float | None = None,
    longitude_deg: float = 180.0,
    latitude_deg: float = 90.0,
) -> Path:
    """Write `count` craters in Robbins' format and sizes, spread evenly within ± the limits."""
    if path.exists():
        return path
    generator = np.random.default_rng(count)
    share = _ROBBINS_LARGER / ROBBINS_COUNT
    lowest = 0.0
    if diameter_max_km is not None:
        logs = np.interp(np.log(diameter_max_km), np.log(_ROBBINS_SIZES_KM), np.log(share))
        lowest = float(np.exp(logs))
    rank = generator.uniform(lowest, 1.0, count)
    diameter = np.exp(np.interp(np.log(rank), np.log(share[::-1]), np.log(_ROBBINS_SIZES_KM[::-1])))
    edge = np.sin(np.radians(latitude_deg))
    table = pd.DataFrame(
        {
            "CRATER_ID": [f"RR-0-{n:07d}" for n in range(count)],
            "LAT_CIRC_IMG": np.degrees(np.arcsin(edge * generator.uniform(-1, 1, count))).round(5),
            "LON_CIRC_IMG": (longitude_deg * generator.uniform(-1, 1, count)).round(5) % 360,
            "DIAM_CIRC_IMG": diameter.round(4),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return path
