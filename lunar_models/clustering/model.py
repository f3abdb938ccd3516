"""Assign craters to fitted clusters; save and load the model without pickle."""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering.density import DensityRule
from lunar_models.clustering.preparation import Preparation
from lunar_models.clustering.rules import CentroidRule, GaussianRule, NeighbourRule, Rule
from lunar_models.clustering.types import NOISE, ClusterAssignment
from lunar_models.errors import DAMAGES, CheckpointError, LunarModelsError

MODEL_FILE = "cluster_model.json"
ARRAYS_FILE = "cluster_model.npz"
FORMAT_VERSION = 1

_RULES: dict[str, type[Any]] = {
    rule.__name__: rule for rule in (CentroidRule, GaussianRule, NeighbourRule, DensityRule)
}
QUANTILES = np.linspace(0.0, 1.0, 1001)
"""Where the distances of the fitted craters are summarised."""


@dataclass(frozen=True)
class ClusterModel:
    """Fitted clusters; `assign` takes any number of craters, whether fitted on or not."""

    method: str
    preparation: Preparation
    rule: Rule
    canonical: IntArray
    """(K,) `cluster_id` of each of the rule's own indices."""
    distance_quantiles: FloatArray
    """(1001,) float32: distances of the fitted craters at evenly spaced quantiles."""
    clusters: pd.DataFrame
    """K rows: cluster_id, fitted_count, fitted_share, stability (NaN when skipped) and degradation,
    the median of the members (NaN where the clusters are numbered by size)."""
    selection: pd.DataFrame | None = None
    """`selection.selection_table`, when the number of clusters was chosen."""

    @property
    def n_clusters(self) -> int:
        """Number of clusters, without noise."""
        return len(self.canonical)

    def assign(
        self,
        embeddings: FloatArray,
        *,
        batch: int = 65_536,
        on_batch: Callable[[int], None] = lambda done: None,
    ) -> ClusterAssignment:
        """Assign (N, D) embeddings (an array or a memory map), `batch` rows at a time.

        Raises:
            LunarModelsError: the width is not the one the clusters were fitted on, or a value
                is not finite.
        """
        width = len(self.preparation.mean)
        if embeddings.ndim != 2 or embeddings.shape[1] != width:
            raise LunarModelsError(
                f"These clusters were fitted on embeddings of width {width}, not on shape "
                f"{embeddings.shape}; embed the craters with the same encoder."
            )
        count = len(embeddings)
        answer = ClusterAssignment(
            np.empty(count, np.int32), *(np.empty(count, np.float32) for _ in range(3))
        )
        for start in range(0, count, batch):
            stop = min(start + batch, count)
            self._assign_batch(embeddings[start:stop], answer, slice(start, stop))
            on_batch(stop)
        return answer

    def _assign_batch(self, embeddings: FloatArray, answer: ClusterAssignment, rows: slice) -> None:
        require_finite(embeddings, first_row=rows.start)
        index, distance, confidence = self.rule.assign(self.preparation.apply(embeddings))
        answer.cluster_id[rows] = to_canonical(index, self.canonical)
        answer.distance[rows] = distance
        answer.confidence[rows] = confidence
        answer.novelty[rows] = np.interp(distance, self.distance_quantiles, QUANTILES)

    def save(self, folder: str | Path) -> None:
        """Write `cluster_model.npz` and, last, `cluster_model.json` into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            **_arrays("preparation", self.preparation),
            **_arrays("rule", self.rule),
            "canonical": self.canonical,
            "distance_quantiles": self.distance_quantiles,
        }
        np.savez_compressed(folder / ARRAYS_FILE, **arrays)
        description = {
            "format_version": FORMAT_VERSION,
            "method": self.method,
            "rule": type(self.rule).__name__,
            "clusters": _records(self.clusters),
            "selection": None if self.selection is None else _records(self.selection),
        }
        (folder / MODEL_FILE).write_text(json.dumps(description, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> "ClusterModel":
        """Read what `save` wrote.

        Raises:
            CheckpointError: missing, damaged, or of another format version.
        """
        folder = Path(folder)
        try:
            description = json.loads((folder / MODEL_FILE).read_text())
            if description["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {description['format_version']}")
            with np.load(folder / ARRAYS_FILE, allow_pickle=False) as stored:
                arrays = dict(stored)
            return cls(
                method=description["method"],
                preparation=Preparation(**_part(arrays, "preparation")),
                rule=_RULES[description["rule"]](**_part(arrays, "rule")),
                canonical=arrays["canonical"],
                distance_quantiles=arrays["distance_quantiles"],
                clusters=clusters_table(pd.DataFrame(description["clusters"])),
                selection=_optional_table(description["selection"]),
            )
        except DAMAGES as error:
            raise CheckpointError(
                f"{folder} holds no cluster model this code can read ({error}); "
                "run the cluster step again."
            ) from error


def require_finite(embeddings: FloatArray, *, first_row: int = 0) -> None:
    """Raise LunarModelsError if any value is NaN or infinite."""
    broken = ~np.isfinite(embeddings).all(axis=1)
    if broken.any():
        raise LunarModelsError(
            f"{int(broken.sum())} embeddings are not finite, the first in row "
            f"{first_row + int(broken.argmax())}; check the encoder and its normalisation."
        )


def to_canonical(index: IntArray, canonical: IntArray) -> IntArray:
    """Map the indices of a rule to cluster ids; `NOISE` is kept."""
    extended = np.append(canonical, NOISE)  # index -1 finds the last element
    renamed: IntArray = extended[index]
    return renamed


_CLUSTER_DTYPES = {
    "cluster_id": "int32",
    "fitted_count": "int64",
    "fitted_share": "float64",
    "stability": "float64",
    "degradation": "float64",
}


def clusters_table(table: pd.DataFrame) -> pd.DataFrame:
    """Make a table with the columns and dtypes of `ClusterModel.clusters`."""
    return table.reindex(columns=list(_CLUSTER_DTYPES)).astype(_CLUSTER_DTYPES)


def _optional_table(records: list[dict[str, Any]] | None) -> pd.DataFrame | None:
    return None if records is None else pd.DataFrame(records)


def _records(table: pd.DataFrame) -> Any:
    return json.loads(table.to_json(orient="records", double_precision=15))


def _arrays(prefix: str, part: Any) -> dict[str, Any]:
    return {f"{prefix}.{f.name}": getattr(part, f.name) for f in fields(part)}


def _part(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    start = prefix + "."
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
