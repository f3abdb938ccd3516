"""Read acquisition times of a catalogue, and compute the sub-solar points that follow from them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.columns import Columns
from lunar_models.sub_solar import sub_solar_point

_DAY_OF_YEAR = "%Y-%jT%H:%M:%S.%f"
"""PDS writes 2009-333T14:51:21 beside ISO 8601."""


def sub_solar_columns(
    table: pd.DataFrame, matched: Columns
) -> tuple[dict[str, Float64Array], list[str]]:
    """Compute sub-solar points from the column of acquisition times, unless they are given.

    Returns:
        sub_solar_longitude_deg and sub_solar_latitude_deg, NaN where there is no time; and
        remarks. Both are empty without such a column, or if the table has sub-solar points.
    """
    name = matched.found.get("acquisition_time")
    given = {"sub_solar_longitude_deg", "sub_solar_latitude_deg"} & matched.found.keys()
    if name is None or given or matched.pixels:
        return {}, []
    times = parse_times(table[name])
    lost = int((np.isnat(times) & table[name].notna().to_numpy()).sum())
    note = f"sub-solar points are computed from {name!r}, in UTC"
    if lost:
        note += f"; {lost} of its values are no times such as 2009-11-29T14:51:21"
    longitude, latitude = sub_solar_point(times)
    return {"sub_solar_longitude_deg": longitude, "sub_solar_latitude_deg": latitude}, [note]


def parse_times(values: "pd.Series[Any]") -> npt.NDArray[np.datetime64]:
    """Read times in ISO 8601 or with the day of the year, UTC unless they state a zone.

    Args:
        values: texts or datetimes; numbers are no times, for nobody knows since when they count.

    Returns:
        (N,) datetime64[ms] in UTC; NaT where there is none.
    """
    if pd.api.types.is_numeric_dtype(values):
        return np.full(len(values), "NaT", "datetime64[ms]")
    texts = values.astype("str").str.strip().str.strip('"')
    dated = texts.str.contains(r"^\d{4}-?\d{2}-?\d{2}(?:[T ]|$)")  # not a year, nor 03/04/2010
    times = pd.to_datetime(texts.where(dated), format="ISO8601", utc=True, errors="coerce")
    days = texts.where(texts.str.contains(r"^\d{4}-\d{3}T")).str.removesuffix("Z")
    days = days.where(days.str.contains(".", regex=False, na=False), days + ".0")
    counted = pd.to_datetime(days, format=_DAY_OF_YEAR, utc=True, errors="coerce")
    found = times.fillna(counted).dt.tz_convert(None)
    return found.to_numpy("datetime64[ms]")
