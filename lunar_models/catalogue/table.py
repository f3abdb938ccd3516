"""Read, validate and filter a crater catalogue."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.catalogue.interpretation import CatalogueReading
from lunar_models.errors import CatalogueError
from lunar_models.moon import MOON_RADIUS_KM

_MOON_DIAMETER_KM = 2.0 * MOON_RADIUS_KM


def _number_column(low: float, high: float, outside: str) -> pa.Column:
    return pa.Column(
        float,
        [
            pa.Check(pd.Series.notna, ignore_na=False, error="is missing or not a number"),
            pa.Check(lambda values: values.between(low, high), error=outside),
        ],
        nullable=True,
    )


_IDENTIFIER = pa.Column(
    checks=[
        pa.Check(lambda ids: ids != "", error="is empty"),
        pa.Check(lambda ids: ~ids.duplicated() | (ids == ""), error="repeats a row above"),
    ]
)

SCHEMA = pa.DataFrameSchema(
    {
        "crater_id": _IDENTIFIER,
        "longitude_deg": _number_column(-180, 360, "is outside [-180, 360]"),
        "latitude_deg": _number_column(-90, 90, "is outside [-90, 90]"),
        "diameter_km": _number_column(
            np.nextafter(0, 1), _MOON_DIAMETER_KM, f"is not between 0 and {_MOON_DIAMETER_KM} km"
        ),
    }
)
"""What every row must satisfy; the `error` texts become the reasons of rejected rows."""

_LARGEST_PX = 1e7

PIXEL_SCHEMA = pa.DataFrameSchema(
    {
        "crater_id": _IDENTIFIER,
        "x_px": _number_column(-_LARGEST_PX, _LARGEST_PX, "is no pixel"),
        "y_px": _number_column(-_LARGEST_PX, _LARGEST_PX, "is no pixel"),
        "diameter_px": _number_column(np.nextafter(0, 1), _LARGEST_PX, "is not above 0"),
    }
)
"""Likewise of a catalogue in pixels of an image."""

_log = logging.getLogger(__name__)


def read_catalogue(
    path: str | Path, *, columns: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a crater catalogue and sort the rows into usable and rejected ones.

    Recognised without `columns`: Robbins 2018 (doi 10.1029/2018JE005592), LU1319373 (doi
    10.1029/2021JE007046) and LU1319381, Head 2010, Povilaitis 2018, Salamuniccar 2011, the LPI and
    IAU lists, CraterStats, and tables with our own column names. Coordinates of a Robbins crater
    are those of its fitted circle. What was noticed on the way is logged as a warning.

    Args:
        path: CSV (gzip too), Excel, Parquet, GeoParquet, GeoPackage, Shapefile, or CraterStats'
            .scc or .diam.
        columns: for any other table, our name -> its name: ``crater_id`` (optional: rows are
            numbered), ``longitude_deg``, ``latitude_deg``, and ``diameter_km`` or ``diameter_m``
            (`columns.FIELDS` lists all).

    Returns:
        catalogue: crater_id (str, unique), longitude_deg (float64 in [-180, 180)), latitude_deg
            (float64 in [-90, 90]), diameter_km (float64, > 0), in the order of the file; or
            crater_id, x_px, y_px, diameter_px and image, where craters are given in pixels.
        rejected: crater_id, reason (str); the reason ends with the 1-based data row.

    Raises:
        CatalogueError: the file is unreadable or empty, lacks a column, or has no valid row.
    """
    reading = understand_catalogue(Path(path), columns)
    for note in reading.notes:
        _log.warning("%s: %s.", path, note)
    return check_rows(reading, path)


def check_rows(reading: CatalogueReading, path: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sort the rows of a catalogue into usable and rejected ones, as `read_catalogue` does."""
    rows = reading.rows
    if rows.empty:
        raise CatalogueError(f"{path} has no rows; give a catalogue with at least one crater.")
    reasons = _find_faults(rows)
    catalogue = rows.drop(index=reasons.index, columns="fault").reset_index(drop=True)
    rejected = pd.DataFrame({"crater_id": rows["crater_id"][reasons.index], "reason": reasons})
    if catalogue.empty:
        raise CatalogueError(
            f"{path} has no valid row among {len(rows)}: {reasons.iloc[0]}. "
            "Check the units and which columns are read."
        )
    if not reading.pixels:
        longitude = catalogue["longitude_deg"]
        catalogue["longitude_deg"] = longitude.where(longitude < 180, longitude - 360)
    return catalogue, rejected.reset_index(drop=True)


def _find_faults(rows: pd.DataFrame) -> "pd.Series[str]":
    """Why rows cannot be used, indexed by row; faultless rows are left out."""
    foreign = rows["fault"][rows["fault"] != ""]
    schema = PIXEL_SCHEMA if "x_px" in rows else SCHEMA
    try:
        schema.validate(rows.drop(index=foreign.index), lazy=True)
    except SchemaErrors as errors:
        faults = errors.failure_cases.sort_values("index", kind="stable")
        texts = [
            f"{column}={value} {check}"
            for column, value, check in zip(
                faults["column"], faults["failure_case"], faults["check"], strict=True
            )
        ]
        row = faults["index"].astype(int).to_numpy()
        wrong = pd.Series(texts, index=row).groupby(level=0).agg("; ".join)
    else:
        wrong = pd.Series(dtype="str")
    reasons = pd.concat([foreign, wrong]).sort_index()
    numbered: pd.Series[str] = reasons + " (row " + (reasons.index + 1).astype(str) + ")"
    return numbered


def filter_catalogue(
    catalogue: pd.DataFrame,
    *,
    diameter_min_km: float | None = None,
    diameter_max_km: float | None = None,
    latitude_min_deg: float | None = None,
    latitude_max_deg: float | None = None,
    longitude_min_deg: float | None = None,
    longitude_max_deg: float | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the craters within inclusive bounds, then at most `limit` of them drawn at random.

    Args:
        catalogue: as from `read_catalogue`.
        diameter_min_km: and the other bounds: None sets no bound.
        diameter_max_km: see above.
        latitude_min_deg: see above.
        latitude_max_deg: see above.
        longitude_min_deg: in [-180, 360]; a minimum east of the maximum spans the antimeridian. A
            bound without the other reaches to the end of its own convention: to 180, to 360 from a
            minimum of 180 and more, from -180, and from 0 for a maximum above 180.
        longitude_max_deg: see above.
        limit: how many craters to draw.
        seed: of the draw.

    Returns:
        kept: rows of `catalogue` in its order, index reset.
        rejected: crater_id, reason.
    """
    reason = pd.Series("", index=catalogue.index, dtype="object")
    bounds = (
        ("diameter_km", diameter_min_km, diameter_max_km),
        ("latitude_deg", latitude_min_deg, latitude_max_deg),
    )
    for column, low, high in bounds:
        if low is not None:
            reason[(reason == "") & (catalogue[column] < low)] = f"{column} is below {low}"
        if high is not None:
            reason[(reason == "") & (catalogue[column] > high)] = f"{column} is above {high}"
    inside = _longitude_inside(catalogue["longitude_deg"], longitude_min_deg, longitude_max_deg)
    outside = f"longitude_deg is outside [{longitude_min_deg}, {longitude_max_deg}]"
    reason[(reason == "") & ~inside] = outside
    candidates = np.flatnonzero(reason == "")
    if limit is not None and len(candidates) > limit:
        drawn = np.random.default_rng(seed).choice(candidates, size=limit, replace=False)
        reason.iloc[np.setdiff1d(candidates, drawn)] = f"not among the {limit} drawn, seed {seed}"
    keep = (reason == "").to_numpy()
    rejected = pd.DataFrame({"crater_id": catalogue["crater_id"], "reason": reason.astype("str")})
    return catalogue[keep].reset_index(drop=True), rejected[~keep].reset_index(drop=True)


def _longitude_inside(
    longitude_deg: "pd.Series[float]", low: float | None, high: float | None
) -> "pd.Series[bool]":
    if low is None and high is None:
        return pd.Series(True, index=longitude_deg.index)
    if low is None:
        low = -180.0 if high is None or high <= 180 else 0.0
    if high is None:
        high = 180.0 if low < 180 else 360.0
    span = min(high - low, 360.0) if high >= low else (high - low) % 360
    return (longitude_deg - low) % 360 <= span
