"""Write the results of a clustering as tables and maps that other programs open.

Every file places craters on the Moon: longitude and latitude in degrees on the 1,737.4 km sphere,
`IAU_2015:30100`, longitude in [-180, 180), east positive. Rows keep the order of the craters.
Tables go out in pieces, so a million craters need no second copy in memory.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lunar_models.arrays import FloatArray
from lunar_models.clustering.types import ClusterAssignment
from lunar_models.crops.crop_set import PICTURE_COLUMNS
from lunar_models.degradation.depth_states import state_of_depth
from lunar_models.errors import CatalogueError
from lunar_models.export.columns import CLUSTER_COLUMNS, PHYSICAL_PREFIXES, SCORE_COLUMNS
from lunar_models.export.geopackage_style import add_cluster_style, use_fixed_time
from lunar_models.heads.head import HeadPrediction
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.moon import LUNAR_GEOGRAPHIC
from lunar_models.terms import CRATER_COLUMNS, STATE_NAMES

LAYER = "clusters"

SUN = "image_sun_azimuth_deg"
"""Azimuth of the Sun in the image of a crater, clockwise from north. Not `sun_azimuth_deg`, which a
catalogue *gives* to preprocess: with another mosaic that would be another Sun."""
_PIECE = 50_000
_PROBABILITY = "probability_"


def cluster_table(
    metadata: pd.DataFrame, assignment: ClusterAssignment, *extra: pd.DataFrame | None
) -> pd.DataFrame:
    """Join craters and their clusters, row by row.

    Args:
        metadata: N rows with crater_id, longitude_deg, latitude_deg, diameter_km, and the Sun's
            azimuth where it is known, sun_azimuth_deg.
        assignment: N rows in the same order.
        extra: N rows of further columns each, such as `state_table`; None adds nothing.

    Returns:
        N rows: the first four columns above, `SUN` where it is known, cluster_id int32,
        cluster_distance, cluster_confidence and novelty float32, then `extra`.

    Raises:
        CatalogueError: the numbers of rows differ, or a longitude lies outside [-180, 180).
    """
    parts = [part.reset_index(drop=True) for part in extra if part is not None]
    lengths = {len(metadata), len(assignment.cluster_id), *map(len, parts)}
    if len(lengths) > 1:
        raise CatalogueError(
            f"Craters, clusters and extra columns have {sorted(lengths)} rows; "
            "they must describe the same craters in the same order."
        )
    longitude = metadata["longitude_deg"].to_numpy()
    if ((longitude < -180) | (longitude >= 180)).any():
        raise CatalogueError(
            f"longitude_deg reaches {longitude.max():.3f}; bring it into [-180, 180) first."
        )
    pixels = [name for name in PICTURE_COLUMNS if name in metadata]
    table = metadata.loc[:, [*CRATER_COLUMNS, *pixels]].reset_index(drop=True)
    if "sun_azimuth_deg" in metadata and metadata["sun_azimuth_deg"].notna().any():
        table[SUN] = metadata["sun_azimuth_deg"].to_numpy()
    for name, attribute in CLUSTER_COLUMNS.items():
        table[name] = getattr(assignment, attribute)
    return pd.concat([table, *parts], axis=1)


def state_table(prediction: HeadPrediction, states: Sequence[str]) -> pd.DataFrame:
    """Return what a classification head says, as columns for `cluster_table`.

    Args:
        prediction: N craters.
        states: K names, freshest first.

    Returns:
        N rows: state (1 … K), state_name where the names say more, one probability per state,
        conformal_set (states that cannot be excluded, separated by |), abstained, degradation and
        degradation_uncertainty (standard deviation) in [0, 1].
    """
    rank = prediction.probabilities.argmax(axis=1)
    columns: dict[str, Any] = {"state": (rank + 1).astype(np.int32)}
    if list(states) != [str(k + 1) for k in range(len(states))]:
        columns["state_name"] = prediction.state
    for k, name in enumerate(states):
        columns[f"{_PROBABILITY}{name}"] = prediction.probabilities[:, k].astype(np.float32)
    names = np.array(states)
    columns["conformal_set"] = ["|".join(names[inside]) for inside in prediction.conformal_set]
    columns["abstained"] = prediction.abstained
    columns["degradation"] = prediction.score.astype(np.float32)
    columns["degradation_uncertainty"] = prediction.score_std.astype(np.float32)
    return pd.DataFrame(columns)


def named_states(table: pd.DataFrame) -> dict[int, str]:
    """Read the names of all states from a `cluster_table`: the head's, else those of a depth."""
    names = [c.removeprefix(_PROBABILITY) for c in table.columns if c.startswith(_PROBABILITY)]
    return dict(enumerate(names or STATE_NAMES, start=1))


def physical_table(
    prediction: PhysicalPrediction, diameter_km: FloatArray, levels: tuple[float, ...]
) -> pd.DataFrame:
    """Physical quantities of N craters with intervals, and the state that the depth means.

    Args:
        prediction: of N craters.
        diameter_km: (N,).
        levels: of the intervals.

    Returns:
        N rows: physical_state (int32, 1 the freshest, see `depth_states`), then the
        columns of `PhysicalPrediction.table`.
    """
    table = prediction.table(diameter_km, levels)
    states = state_of_depth(table["depth_over_diameter"], diameter_km)
    table.insert(0, "physical_state", states.astype(np.int32))
    return table


def score_table(scores: FloatArray) -> pd.DataFrame:
    """Return an encoder's own degradation scores, (N, 2) of `embedding.score_crops`, as columns."""
    return pd.DataFrame(dict(zip(SCORE_COLUMNS, scores.T, strict=True)), dtype=np.float32)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` as CSV with six decimals (a millionth of a degree is 3 cm of the Moon)."""
    table.to_csv(path, index=False, float_format="%.6f", chunksize=_PIECE)


def write_geojson(path: Path, table: pd.DataFrame, *, layer: str = LAYER) -> None:
    """Write craters as GeoJSON points, one feature a line.

    RFC 7946 means Earth (WGS 84) unless both sides have agreed otherwise (section 4). The file
    says so itself: a ``crs`` member with `LUNAR_GEOGRAPHIC`, which GDAL, QGIS and geopandas
    honour, and a ``description``. Web maps that ignore it will draw the craters on Earth.
    """
    head = {
        "type": "FeatureCollection",
        "name": layer,
        "description": "Selenographic longitude and latitude on the Moon, not on Earth.",
        "crs": {"type": "name", "properties": {"name": LUNAR_GEOGRAPHIC}},
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "features": [')
        separator = "\n"
        for feature in _features(table):
            file.write(separator + feature)
            separator = ",\n"
        file.write("\n]}\n")


def _features(table: pd.DataFrame) -> Iterator[str]:
    for piece in _pieces(table) if len(table) else ():
        # to_json writes NaN as null, which JSON has no other word for
        lines = piece.to_json(orient="records", lines=True, double_precision=8).splitlines()
        places = zip(piece["longitude_deg"], piece["latitude_deg"], strict=True)
        for (longitude, latitude), properties in zip(places, lines, strict=True):
            point = f'{{"type": "Point", "coordinates": [{longitude:.6f}, {latitude:.6f}]}}'
            if math.isnan(longitude):  # of an image without georeference
                point = "null"
            yield f'{{"type": "Feature", "geometry": {point}, "properties": {properties}}}'


def write_geopackage(path: Path, table: pd.DataFrame, colours: Sequence[str]) -> None:
    """Write craters as a GeoPackage layer that QGIS opens coloured by cluster.

    Args:
        path: the file; an existing one is replaced.
        table: craters with cluster_id.
        colours: ``#rrggbb`` of cluster 0, 1, …
    """
    path.unlink(missing_ok=True)
    use_fixed_time()
    for piece in _pieces(table):
        _points(piece).to_file(path, driver="GPKG", layer=LAYER, append=path.exists())
    add_cluster_style(path, LAYER, colours)


def write_embeddings(
    path: Path,
    table: pd.DataFrame,
    embeddings: FloatArray,
    *,
    said: Mapping[str, str] | None = None,
) -> None:
    """Write craters' embeddings as Parquet, each a list of D float32, after some of their columns.

    Args:
        path: the file; an existing one is replaced.
        table: N craters; crater_id and, where they are there, the encoder's own scores and physical
            quantities are taken.
        embeddings: (N, D) in the same order.
        said: entries of the file's own metadata.
    """
    physical = [n for n in map(str, table.columns) if n.startswith(PHYSICAL_PREFIXES)]
    kept = table[[n for n in ("crater_id", *SCORE_COLUMNS, *physical) if n in table]]
    kind = pa.list_(pa.float32(), embeddings.shape[1])
    schema = pa.Schema.from_pandas(kept, preserve_index=False).remove_metadata()
    schema = schema.set(0, pa.field("crater_id", pa.string())).append(pa.field("embedding", kind))
    schema = schema.with_metadata(dict(said)) if said else schema
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        for start in range(0, len(embeddings), _PIECE):
            rows = np.asarray(embeddings[start : start + _PIECE], dtype=np.float32)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), type=kind)
            piece = kept.iloc[start : start + _PIECE]
            columns = [
                pa.array(piece[n], field.type) for n, field in zip(kept, schema, strict=False)
            ]
            writer.write_table(pa.table([*columns, vectors], schema=schema))


def write_latents(folder: Path, crater_ids: Sequence[str], embeddings: FloatArray) -> None:
    """Write `latents.npy`, (N, D) float32, and `latents_ids.csv`, its N crater ids in order."""
    stored = np.lib.format.open_memmap(
        folder / "latents.npy", mode="w+", dtype=np.float32, shape=embeddings.shape
    )
    for start in range(0, len(embeddings), _PIECE):
        stored[start : start + _PIECE] = embeddings[start : start + _PIECE]
    stored.flush()
    pd.DataFrame({"crater_id": crater_ids}).to_csv(folder / "latents_ids.csv", index=False)


def _pieces(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, max(len(table), 1), _PIECE):
        yield table.iloc[start : start + _PIECE]


def _points(table: pd.DataFrame) -> gpd.GeoDataFrame:
    points = gpd.points_from_xy(table["longitude_deg"], table["latitude_deg"])
    return gpd.GeoDataFrame(table, geometry=points, crs=LUNAR_GEOGRAPHIC)
