"""Find the most similar craters of a reference set, among a million in a millisecond.

A graph index (HNSW: Malkov & Yashunin 2020, doi 10.1109/TPAMI.2018.2889473) in half precision
proposes candidates; their exact distances decide. All files are memory-mapped, so several
processes share one copy; none of them is a pickle.

    embeddings.npy     (N, D) float32
    craters.parquet    N rows: `CRATER_COLUMNS` and whatever else is known of each crater
    thumbnails.npy     (N, T, T) uint8, if there are any
    index.usearch      the graph
    neighbours.json    format version and scaling; written last
"""

import json
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from usearch.index import Index

from lunar_models.arrays import Float32Array
from lunar_models.errors import DAMAGES, CheckpointError, LunarModelsError
from lunar_models.moon import crater_at, unit_vectors
from lunar_models.terms import CRATER_COLUMNS

FORMAT_VERSION = 1

# Chosen for recall >= 0.99 at a million x 64: see benchmarks/neighbours.py.
_CONNECTIVITY = 24
_EXPANSION_ADD = 128
_EXPANSION_SEARCH = 192
_CANDIDATES_FACTOR = 3


@dataclass(frozen=True)
class Neighbours:
    """Nearest reference craters of B queries, nearest first."""

    rows: npt.NDArray[np.int64]
    """(B, k) rows of the reference set."""
    distances: Float32Array
    """(B, k) Euclidean distances of the embeddings."""


@dataclass(frozen=True)
class NeighbourIndex:
    """A reference set of embedded craters, searchable by similarity, id and position."""

    embeddings: Float32Array
    """(N, D)"""
    craters: pd.DataFrame
    """N rows, `CRATER_COLUMNS` among the columns."""
    thumbnails: npt.NDArray[np.uint8] | None
    """(N, T, T) or None."""
    graph: Index
    centre: Float32Array
    """(D,) subtracted before the graph sees an embedding, so that half precision suffices."""
    scale: float
    """The graph sees embeddings divided by this."""

    @classmethod
    def build(
        cls,
        embeddings: Float32Array,
        craters: pd.DataFrame,
        *,
        thumbnails: npt.NDArray[np.uint8] | None = None,
        threads: int = 0,
    ) -> "NeighbourIndex":
        """Index a reference set.

        Args:
            embeddings: (N, D) finite, N ≥ 1.
            craters: N rows in the same order with `CRATER_COLUMNS`; ids are unique.
            thumbnails: (N, T, T) uint8 in the same order.
            threads: 0 uses all cores; 1 makes equal input give equal files.

        Raises:
            LunarModelsError: lengths differ, nothing to index, values that are not finite,
                a missing column, or repeated ids.
        """
        _check(embeddings, craters, thumbnails)
        centre = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = max(float(embeddings.std(dtype=np.float64)), 1e-12)
        graph = Index(
            ndim=embeddings.shape[1],
            metric="l2sq",
            dtype="f16",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=_EXPANSION_SEARCH,
        )
        scaled = (embeddings - centre) / np.float32(scale)
        graph.add(np.arange(len(embeddings), dtype=np.uint64), scaled, threads=threads)
        return cls(embeddings, craters.reset_index(drop=True), thumbnails, graph, centre, scale)

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(self, queries: Float32Array, k: int) -> Neighbours:
        """Find the `k` (at most N) nearest reference craters of (B, D) embeddings.

        Raises:
            LunarModelsError: the width is not that of the reference set.
        """
        if queries.ndim != 2 or queries.shape[1] != self.embeddings.shape[1]:
            raise LunarModelsError(
                f"The reference set has embeddings of width {self.embeddings.shape[1]}, the "
                f"queries have shape {queries.shape}; embed them with the same encoder."
            )
        k = min(k, len(self))
        scaled = (queries - self.centre) / np.float32(self.scale)
        count = min(_CANDIDATES_FACTOR * k, len(self))
        keys = self.graph.search(scaled, count, threads=1).keys
        candidates = np.asarray(keys, np.int64).reshape(len(queries), count)
        difference = self.embeddings[candidates] - queries[:, None, :]
        distances = np.sqrt(np.einsum("bkd,bkd->bk", difference, difference))
        best = np.argsort(distances, axis=1, kind="stable")[:, :k]
        return Neighbours(
            np.take_along_axis(candidates, best, 1), np.take_along_axis(distances, best, 1)
        )

    def nearest_others(self, k: int, *, batch: int = 4096) -> npt.NDArray[np.int64]:
        """Find for each reference crater the `k` (at most N - 1) nearest others: (N, k) rows."""
        found = []
        for start in range(0, len(self), batch):
            rows = np.arange(start, min(start + batch, len(self)))
            near = self.search(self.embeddings[rows], k + 1).rows
            order = np.argsort(near == rows[:, None], axis=1, kind="stable")  # itself last
            found.append(np.take_along_axis(near, order, axis=1)[:, : min(k, len(self) - 1)])
        return np.concatenate(found)

    def crater(self, row: int) -> dict[str, Any]:
        """Return the `CRATER_COLUMNS` of one row as plain values."""
        return self.crater_rows(np.array([row]))[0]

    def crater_rows(self, rows: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return the `CRATER_COLUMNS` of several rows as plain values."""
        columns = (self._columns[name][rows].tolist() for name in CRATER_COLUMNS)
        return [
            dict(zip(CRATER_COLUMNS, values, strict=True)) for values in zip(*columns, strict=True)
        ]

    def row_of(self, crater_id: str) -> int | None:
        """Return the row of a crater, or None."""
        row = int(self._ids.get_indexer(pd.Index([crater_id]))[0])
        return None if row < 0 else row

    def row_at(
        self, *, longitude_deg: float, latitude_deg: float, diameter_km: float | None = None
    ) -> int | None:
        """Return the row of the crater that contains a position, the best centred one, or None.

        Args:
            longitude_deg: any turn of 360 degrees.
            latitude_deg: in [-90, 90].
            diameter_km: prefers craters of about this size.
        """
        (place,) = unit_vectors(longitude_deg=[longitude_deg], latitude_deg=[latitude_deg])
        return crater_at(self._positions, self._columns["diameter_km"], place, diameter_km)

    @cached_property
    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        columns = {name: self.craters[name].to_numpy() for name in CRATER_COLUMNS[1:]}
        return {"crater_id": self.craters["crater_id"].to_numpy(dtype=np.str_), **columns}

    @cached_property
    def _ids(self) -> "pd.Index[Any]":
        ids: pd.Index[Any] = pd.Index(self.craters["crater_id"])
        return ids

    @cached_property
    def _positions(self) -> npt.NDArray[np.float64]:
        longitude, latitude = self._columns["longitude_deg"], self._columns["latitude_deg"]
        return unit_vectors(longitude_deg=longitude, latitude_deg=latitude)

    def save(self, folder: str | Path) -> None:
        """Write the files named at the head of this module, into a folder made if missing."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "embeddings.npy", self.embeddings, allow_pickle=False)
        self.craters.to_parquet(folder / "craters.parquet", index=False)
        if self.thumbnails is not None:
            np.save(folder / "thumbnails.npy", self.thumbnails, allow_pickle=False)
        self.graph.save(str(folder / "index.usearch"))
        scaling = {"centre": self.centre.tolist(), "scale": self.scale}
        description = {"format_version": FORMAT_VERSION, **scaling}
        (folder / "neighbours.json").write_text(json.dumps(description) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> "NeighbourIndex":
        """Open what `save` wrote, memory-mapped.

        Raises:
            CheckpointError: missing, damaged, or of another format version.
        """
        folder = Path(folder)
        thumbnails, graph = folder / "thumbnails.npy", folder / "index.usearch"
        try:
            description = json.loads((folder / "neighbours.json").read_text())
            if description["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {description['format_version']}")
            index = cls(
                embeddings=_open(folder / "embeddings.npy"),
                craters=pd.read_parquet(folder / "craters.parquet"),
                thumbnails=_open(thumbnails) if thumbnails.is_file() else None,
                graph=_view(graph),
                centre=np.asarray(description["centre"], np.float32),
                scale=float(description["scale"]),
            )
            _check(index.embeddings[:1], index.craters[:1], None)
            if not len(index.craters) == len(index.embeddings) == len(index.graph):
                raise ValueError("its files have different lengths")
            return index
        except (*DAMAGES, LunarModelsError) as error:
            raise CheckpointError(
                f"{folder} holds no neighbour index this code can read ({error}); register the "
                "model again."
            ) from error


def _view(file: Path) -> Index:
    graph = Index.restore(str(file), view=True)
    if graph is None:
        raise ValueError(f"{file.name} is not a graph")
    return graph


_open = partial(np.load, mmap_mode="r", allow_pickle=False)


def _check(
    embeddings: Float32Array, craters: pd.DataFrame, thumbnails: npt.NDArray[np.uint8] | None
) -> None:
    if missing := [name for name in CRATER_COLUMNS if name not in craters.columns]:
        raise LunarModelsError(f"The table of craters has no column {', '.join(missing)}.")
    counts = {len(part) for part in (embeddings, craters, thumbnails) if part is not None}
    if counts == {0} or len(counts) > 1:
        raise LunarModelsError(
            f"A reference set needs as many embeddings as craters and thumbnails, at least one; "
            f"there are {len(embeddings)} embeddings and {len(craters)} craters."
        )
    if craters["crater_id"].duplicated().any():
        raise LunarModelsError("The table of craters repeats a crater_id; keep one row per crater.")
    if not np.isfinite(embeddings).all():
        raise LunarModelsError("Some embeddings are not finite; check the encoder.")
