"""Look up the Sun's azimuth and incidence in parameters, the catalogue or a map."""

from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.column_names import SUN_COLUMNS
from lunar_models.catalogue.times import parse_times
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.sun.azimuth_map import azimuths_from_map
from lunar_models.cropping.sun.estimation import sun_table
from lunar_models.cropping.sun.geometry import (
    EAST_DEG,
    WEST_DEG,
    incidence_from_azimuth,
    sun_from_sub_solar,
)
from lunar_models.errors import CatalogueError, ConfigError
from lunar_models.sub_solar import sub_solar_point

_GIVEN_STD_DEG = 1.0
"""Uncertainty of an azimuth that is given, for the incidence that follows from it."""


def given_sun(config: PreprocessConfig, craters: pd.DataFrame) -> pd.DataFrame | None:
    """Look up the Sun of each crater; None if it must be found in the crops.

    Args:
        config: `illumination` and the parameters that belong to it.
        craters: N rows as from `catalogue.table.read_catalogue`.

    Returns:
        N rows as from `estimation.sun_table`; azimuths are NaN where the source has none.

    Raises:
        CatalogueError: a column is missing, holds impossible values, or no crater has an azimuth.
        MosaicError: the map of azimuths is unusable.
    """
    if config.illumination == "auto":
        return None
    if config.illumination == "none":  # nothing is known, and nothing is turned or mirrored
        unknown = np.full(len(craters), np.nan)
        return sun_table(unknown, std_deg=np.nan, confidence=0.5, incidence_deg=unknown)
    incidence = given_incidence(config, craters)
    if config.illumination == "sub_solar":
        azimuth, computed = _from_sub_solar(config, craters)
        incidence = np.where(np.isnan(incidence), computed, incidence)
    elif config.illumination == "azimuth":
        azimuth = _given_azimuth(config, craters)
        latitude = craters["latitude_deg"].to_numpy(np.float64)
        std = np.full(len(craters), _GIVEN_STD_DEG)
        estimated = incidence_from_azimuth(azimuth, std, latitude)
        incidence = np.where(np.isnan(incidence), estimated, incidence)
    else:
        side = {"east": EAST_DEG, "west": WEST_DEG}[config.illumination]
        azimuth = np.full(len(craters), side)
    known = np.isfinite(azimuth)
    if len(craters) and not known.any():
        raise CatalogueError(
            f"illumination={config.illumination} finds the Sun of no crater at all: every place "
            "that it looked at is empty. Check the column or map, or set illumination=auto."
        )
    return sun_table(
        azimuth,
        std_deg=np.where(known, 0.0, np.nan),
        confidence=known.astype(np.float64),
        incidence_deg=incidence,
    )


def given_incidence(config: PreprocessConfig, craters: pd.DataFrame) -> Float64Array:
    """Look up the incidence in degrees, (N,), in the parameter or the catalogue; NaN without."""
    if config.incidence_deg is not None:
        return np.full(len(craters), config.incidence_deg)
    if "incidence_deg" not in craters:
        return np.full(len(craters), np.nan)
    return _column(craters, "incidence_deg", 0.0, 180.0)


def _given_azimuth(config: PreprocessConfig, craters: pd.DataFrame) -> Float64Array:
    if config.sun_azimuth_deg is not None:
        return np.full(len(craters), config.sun_azimuth_deg)
    if config.sun_azimuth_map is not None:
        return azimuths_from_map(Path(config.sun_azimuth_map), craters) % 360.0
    return _column(craters, "sun_azimuth_deg", -360.0, 360.0) % 360.0


def _from_sub_solar(
    config: PreprocessConfig, craters: pd.DataFrame
) -> tuple[Float64Array, Float64Array]:
    point: dict[str, float | Float64Array] = {}
    if config.acquisition_time is not None:
        times = parse_times(pd.Series([config.acquisition_time]))
        if np.isnat(times).any():
            raise ConfigError(
                f"acquisition_time={config.acquisition_time} is not a UTC time such as "
                "2009-11-29T14:51:21."
            )
        longitude, latitude = sub_solar_point(times)
        return sun_from_sub_solar(craters, longitude_deg=longitude, latitude_deg=latitude)
    for axis, most in (("longitude", 360.0), ("latitude", 2.0)):
        name = f"sub_solar_{axis}_deg"
        value = getattr(config, name)
        given = value is not None
        point[f"{axis}_deg"] = value if given else _column(craters, name, -most, most)
    return sun_from_sub_solar(craters, **point)


def _column(craters: pd.DataFrame, name: str, low: float, high: float) -> Float64Array:
    if name not in craters:
        raise CatalogueError(
            f"The catalogue has no column {name}, which illumination needs; give the parameter "
            f"{name}, or say which column it is, such as columns=…,{name}=NAME."
        )
    values = craters[name].to_numpy(np.float64)
    wrong = (values < low) | (values > high)
    if wrong.any():
        crater = craters["crater_id"].iloc[int(wrong.argmax())]
        raise CatalogueError(
            f"{name}={values[wrong][0]:g} of crater {crater} is outside [{low:g}, {high:g}] deg; "
            "check the unit and which column is read."
        )
    return values


def without_sun(craters: pd.DataFrame) -> pd.DataFrame:
    """Drop the catalogue's own columns of the Sun."""
    return craters.drop(columns=[name for name in SUN_COLUMNS if name in craters])
