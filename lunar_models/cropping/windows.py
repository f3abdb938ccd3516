"""Compute the window of mosaic pixels that each crop needs, and choose its sampling method.

`place` is a table of crops (`placement.place_crops`) with longitude and latitude in radians.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.cropping.kernels.separable import SEPARABLE_LIMIT
from lunar_models.mosaic.raster import Mosaic
from lunar_models.tangent_plane import plane_to_degrees

_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)


def _extreme_latitude(mosaic: Mosaic, place: pd.DataFrame) -> Float64Array:
    """Largest |latitude| in radians that sampling a crop touches; beyond pi/2 over a pole."""
    _, scale_y = mosaic.projection.scale_px(np.degrees(place["latitude"]))
    arc = np.arcsin(np.minimum(place["half_side"], 1.0)) + place["reach_px"] / scale_y
    return np.asarray(np.abs(place["latitude"]) + arc, np.float64)


def is_separable(mosaic: Mosaic, place: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Tell which crops can be sampled separably: cylindrical mosaics, away from the poles."""
    if mosaic.projection.pole:
        return np.zeros(len(place), np.bool_)
    extreme = _extreme_latitude(mosaic, place)
    half = place["half_side"].to_numpy()
    separable: npt.NDArray[np.bool_] = half <= SEPARABLE_LIMIT * np.cos(extreme)
    return separable & (extreme < np.pi / 2.0)


def find_windows(mosaic: Mosaic, place: pd.DataFrame) -> list[Float64Array]:
    """Find the first and last row, first and last column that sampling reads, (n,) each."""
    windows = [np.empty(len(place)) for _ in range(4)]
    separable = place["separable"].to_numpy()
    for chosen, find in (
        (separable, _separable_windows),
        (~separable, _polar_windows if mosaic.projection.pole else _exact_windows),
    ):
        if chosen.any():
            for edge, found in zip(windows, find(mosaic, place[chosen]), strict=True):
                edge[chosen] = found
    return windows


def _separable_windows(mosaic: Mosaic, place: pd.DataFrame) -> tuple[Float64Array, ...]:
    half, reach = place["half_side"].to_numpy(), place["reach_px"].to_numpy()
    scale_x, scale_y = mosaic.projection.scale_px(np.degrees(place["latitude"]))
    corners = [_rows(mosaic, place, u * half, v * half) for u in (0.0, 1.0) for v in (-1.0, 1.0)]
    across = np.arcsin(half / np.cos(_extreme_latitude(mosaic, place)))
    width = abs(mosaic.projection.kx) * across + reach * scale_x / scale_y
    column = place["column_px"].to_numpy()
    return (
        np.floor(np.min(corners, axis=0) - reach),
        np.ceil(np.max(corners, axis=0) + reach),
        np.floor(column - width),
        np.ceil(column + width),
    )


def _rows(mosaic: Mosaic, place: pd.DataFrame, u: Float64Array, v: Float64Array) -> Float64Array:
    _, latitude = plane_to_degrees(
        u, v, longitude_deg=0.0, latitude_deg=np.degrees(place["latitude"])
    )
    return mosaic.projection.to_pixels(longitude_deg=0.0, latitude_deg=latitude)[1]


def _exact_windows(mosaic: Mosaic, place: pd.DataFrame) -> tuple[Float64Array, ...]:
    """Of the circle through the crops' corners, in a cylindrical mosaic."""
    reach, latitude = place["reach_px"].to_numpy(), place["latitude"].to_numpy()
    arc = np.arcsin(np.minimum(place["half_side"].to_numpy() * np.sqrt(2.0), 1.0))
    limit = np.pi / 2.0 - 1e-9
    north, south = np.minimum(latitude + arc, limit), np.maximum(latitude - arc, -limit)
    rows = [
        mosaic.projection.to_pixels(longitude_deg=0.0, latitude_deg=np.degrees(edge))[1]
        for edge in (north, south)
    ]
    _, scale_y = mosaic.projection.scale_px(np.degrees(latitude))
    near_pole = np.abs(latitude) + arc + reach / scale_y >= limit
    sine = np.sin(arc) / np.cos(np.where(near_pole, 0.0, latitude))
    across = np.where(near_pole, np.pi, np.arcsin(np.minimum(sine, 1.0)))
    width = abs(mosaic.projection.kx) * across + reach * np.where(near_pole, 0.0, 4.0)
    column = place["column_px"].to_numpy()
    whole = near_pole & mosaic.wraps  # such crops are read around the edge (`Strip.turn_px`)
    return (
        np.floor(np.minimum(*rows) - reach),
        np.ceil(np.maximum(*rows) + reach),
        np.where(whole, 0.0, np.floor(column - width)),
        np.where(whole, mosaic.width - 1.0, np.ceil(column + width)),
    )


def _polar_windows(mosaic: Mosaic, place: pd.DataFrame) -> tuple[Float64Array, ...]:
    """Of the circle through the crops' corners, which is a circle in this projection."""
    radius = np.minimum(place["half_side"].to_numpy() * np.sqrt(2.0), 1.0)
    degrees = {
        "longitude_deg": np.degrees(place["longitude"]).to_numpy()[:, None],
        "latitude_deg": np.degrees(place["latitude"]).to_numpy()[:, None],
    }
    u, v = radius[:, None] * np.cos(_CIRCLE), radius[:, None] * np.sin(_CIRCLE)
    longitude, latitude = plane_to_degrees(u, v, **degrees)
    x, y = mosaic.projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
    # The circle bulges by this part of its radius between two of the points
    bulge = (1.0 - np.cos(np.pi / len(_CIRCLE))) * (x.max(axis=1) - x.min(axis=1))
    reach = place["reach_px"].to_numpy() + bulge
    return (
        np.floor(y.min(axis=1) - reach),
        np.ceil(y.max(axis=1) + reach),
        np.floor(x.min(axis=1) - reach),
        np.ceil(x.max(axis=1) + reach),
    )
