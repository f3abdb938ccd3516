"""Audit confounds: test whether embeddings and clusters follow illumination, place or size.

An encoder that sorts craters by the Sun's side or by the imaging campaign makes
compact clusters without geological meaning. Two questions are answered on one scale for each
nuisance property: can it be predicted from the embedding, and do the clusters follow it?
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.model_selection import StratifiedGroupKFold

from lunar_models.arrays import FloatArray
from lunar_models.catalogue.splits import spatial_blocks
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.crops.places import relative_places
from lunar_models.evaluation.bootstrap import BlockBootstrap, percentile_interval
from lunar_models.evaluation.evaluation_set import EvaluationSet
from lunar_models.evaluation.metrics import balanced_accuracy
from lunar_models.evaluation.probes import (
    lda_probe,
    out_of_fold_probabilities,
    out_of_fold_values,
    small_classes,
)
from lunar_models.evaluation.subgroups import longitude_bands

Ranks = npt.NDArray[np.integer[Any]]

LIGHTING, PLACE, SIZE, GEOLOGY = "lighting", "place", "size", "geology"
BINS = 4
LEAST_KNOWN = 100
"""Craters whose azimuth or incidence is known, from which on it is judged."""


def audit(
    embeddings: FloatArray,
    metadata: pd.DataFrame,
    evaluation_set: EvaluationSet,
    cluster_id: Ranks,
    config: EvaluateConfig,
) -> pd.DataFrame:
    """Measure read-out and cluster association of the nuisances, and of the states for comparison.

    Args:
        embeddings: (M, D) of all crops; the nuisances need no labels.
        metadata: M rows of `crop_set.METADATA_COLUMNS`.
        evaluation_set: the labelled craters.
        cluster_id: (N,) clusters of the labelled craters.
        config: bands, folds, bootstrap and seed.

    Returns:
        The columns of `audit_readout`, and `association`: `association` of the clusters, and
        `state_association`, of the states: labels too may depend on the light.
    """
    options: dict[str, Any] = {
        "n_folds": config.folds,
        "replicates": config.bootstrap,
        "seed": config.seed,
        "level": config.interval,
    }
    rng = np.random.default_rng(config.seed)
    sample = np.sort(rng.permutation(len(metadata))[: config.audit_limit])
    properties = nuisances(metadata.iloc[sample], band_deg=config.band_deg)
    places = relative_places(metadata.iloc[sample])
    blocks = spatial_blocks(
        longitude_deg=places["longitude_deg"].to_numpy(),
        latitude_deg=places["latitude_deg"].to_numpy(),
        block_deg=config.block_deg,
    )
    geology = _geology(evaluation_set)
    labelled_blocks = evaluation_set.table["block"].to_numpy()
    readout = pd.concat(
        [
            audit_readout(embeddings[evaluation_set.position], geology, labelled_blocks, **options),
            audit_readout(embeddings[sample], properties, blocks, **options),
        ],
        ignore_index=True,
    )
    labelled = nuisances(metadata.iloc[evaluation_set.position], band_deg=config.band_deg)
    shown = {name: values for name, (_, values) in {**geology, **labelled}.items()}
    states = _classes(geology["state"][1])
    of_states = association(states, shown).rename(columns={"association": "state_association"})
    return readout.merge(association(cluster_id, shown), on="property", how="left").merge(
        of_states, on="property", how="left"
    )


def nuisances(
    metadata: pd.DataFrame, *, band_deg: float
) -> dict[str, tuple[str, "pd.Series[Any]"]]:
    """List the properties an embedding should not encode: name -> (kind, values).

    Args:
        metadata: rows of `crop_set.METADATA_COLUMNS`.
        band_deg: width of the longitude bands.

    Returns:
        Categorical or boolean series are classes, the others continuous. Azimuth and incidence
        are missing where they are unknown. Those that do not vary, or are known of fewer than
        `LEAST_KNOWN` craters, are left out.
    """
    properties: dict[str, tuple[str, pd.Series[Any]]] = {
        "Sun side": (LIGHTING, metadata["flipped"].astype(bool)),
        "longitude band": (LIGHTING, longitude_bands(metadata["longitude_deg"], band_deg)),
        "mean brightness": (LIGHTING, metadata["mean_brightness"]),
        "latitude": (PLACE, metadata["latitude_deg"]),
        "log diameter": (SIZE, np.log10(metadata["diameter_km"])),
        "log native_px": (SIZE, np.log10(metadata["native_px"])),
    }
    if (metadata["rotation_deg"] != 0.0).any():  # else the Sun's side says the same
        properties["Sun azimuth"] = (LIGHTING, _octants(metadata["sun_azimuth_deg"]))
    properties["incidence"] = (LIGHTING, metadata["incidence_deg"])
    return {
        name: item
        for name, item in properties.items()
        if item[1].nunique() > 1 and item[1].notna().sum() >= min(LEAST_KNOWN, len(metadata))
    }


def _octants(azimuth_deg: "pd.Series[float]") -> "pd.Series[Any]":
    """Azimuths as eight classes of 45 degrees around north, north-east and so on."""
    names = np.array(["N", "NE", "E", "SE", "S", "SW", "W", "NW"])
    known = azimuth_deg.dropna()
    octant = names[np.rint(known.to_numpy() / 45.0).astype(np.int64) % 8]
    return pd.Series(octant, known.index, dtype="object").reindex(azimuth_deg.index)


def audit_readout(
    embeddings: FloatArray,
    properties: dict[str, tuple[str, "pd.Series[Any]"]],
    blocks: npt.NDArray[np.int64],
    *,
    n_folds: int,
    replicates: int,
    seed: int,
    level: float,
) -> pd.DataFrame:
    """Measure how well a linear model predicts each property from the embedding.

    Args:
        embeddings: (N, D).
        properties: from `nuisances`, (N,) values each; craters without a value are left out.
        blocks: (N,) spatial blocks. Blocks stay whole, and for classes each fold holds its
            share of every class: else a band that lies in one fold could never be learned.
        n_folds: spatial folds.
        replicates: bootstrap replicates by block.
        seed: of folds and bootstrap.
        level: coverage of the intervals.

    Returns:
        `property`, `kind`, `measure` (R2 or balanced accuracy), `value`, `low`, `high`,
        `chance`, and `skill`: 0 is chance, 1 is perfect; never below 0.
    """
    rows = []
    for name, (kind, every) in properties.items():
        known = every.notna().to_numpy()
        values, where = every[known], blocks[known]
        judge = _read_class if _is_class(values) else _read_value
        folds = _folds(values, where, n_folds, seed)
        draws = BlockBootstrap.draw(where, replicates, seed)
        measure, chance, scores = judge(embeddings[known], values, folds, draws)
        low, high = percentile_interval(scores[1:], level)
        skill = max(0.0, (scores[0] - chance) / (1.0 - chance))
        rows.append((name, kind, measure, scores[0], low, high, chance, skill))
    columns = ["property", "kind", "measure", "value", "low", "high", "chance", "skill"]
    return pd.DataFrame(rows, columns=columns)


def association(groups: Ranks, properties: dict[str, "pd.Series[Any]"]) -> pd.DataFrame:
    """Measure the association of groups (clusters, states) with each property.

    Args:
        groups: (N,) any integers.
        properties: name -> (N,) values; continuous ones are cut into four equal groups, so
            that all properties are measured alike.

    Returns:
        `property`, `association`: adjusted mutual information (Vinh et al. 2010, JMLR 11),
        about 0 by chance, 1 when either tells the other.
    """
    rows = [
        (
            name,
            float(adjusted_mutual_info_score(_classes(values.dropna()), groups[values.notna()])),
        )
        for name, values in properties.items()
    ]
    return pd.DataFrame(rows, columns=["property", "association"])


def _geology(evaluation_set: EvaluationSet) -> dict[str, tuple[str, "pd.Series[Any]"]]:
    """The states, and the continuous measure where it says more than the states."""
    states = evaluation_set.table["state"].astype("category")
    properties: dict[str, tuple[str, pd.Series[Any]]] = {"state": (GEOLOGY, states)}
    if evaluation_set.table["value"].nunique() > len(evaluation_set.states):
        properties["measured value"] = (GEOLOGY, evaluation_set.table["value"])
    return properties


def _read_class(
    embeddings: FloatArray, values: "pd.Series[Any]", folds: Ranks, draws: BlockBootstrap
) -> tuple[str, float, FloatArray]:
    classes = _classes(values)
    count = int(classes.max()) + 1
    probabilities = out_of_fold_probabilities(lda_probe, embeddings, classes, folds, count)
    # Every class weighs alike, because balanced accuracy judges: bands differ in size.
    predicted = (probabilities / np.bincount(classes)).argmax(axis=1)
    pairs = classes * count + predicted
    counts = draws.counts_of(pairs, count * count).reshape(-1, count, count)
    return "balanced accuracy", 1.0 / count, balanced_accuracy(counts)


def _read_value(
    embeddings: FloatArray, values: "pd.Series[Any]", folds: Ranks, draws: BlockBootstrap
) -> tuple[str, float, FloatArray]:
    true = values.to_numpy(np.float64)
    predicted = out_of_fold_values(embeddings, true, folds)
    centred = true - true.mean()
    rows = np.column_stack((np.ones(len(true)), centred, centred**2, (true - predicted) ** 2))
    count, total, squares, errors = draws.totals(rows).T
    return "R²", 0.0, 1.0 - errors / (squares - total**2 / count)


def _folds(
    values: "pd.Series[Any]", blocks: npt.NDArray[np.int64], n_folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """Folds of whole blocks that hold alike shares of the classes (or of the value's quarters)."""
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    folds = np.empty(len(values), np.int64)
    nothing = np.zeros(len(values))
    with small_classes():
        for fold, (_, test) in enumerate(splitter.split(nothing, _classes(values), blocks)):
            folds[test] = fold
    return folds


def _is_class(values: "pd.Series[Any]") -> bool:
    return not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)


def _classes(values: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """Codes 0..C-1 of the classes that occur; a continuous value is cut at its quartiles."""
    if not _is_class(values) and values.nunique() > BINS:
        values = pd.qcut(values, BINS, labels=False, duplicates="drop")
    return np.unique(values.to_numpy(), return_inverse=True)[1].astype(np.int64)
