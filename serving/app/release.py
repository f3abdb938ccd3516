"""Answer from a release: which craters lie in a map tile, and what is said of one of them."""

import math
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lunar_models.arrays import Float32Array
from lunar_models.catalogue.tiles import TileFile
from lunar_models.errors import CropSetError
from lunar_models.export.columns import SCORE_COLUMNS
from serving.batch.release_folder import (
    CRATERS_FILE,
    EMBEDDINGS_FILE,
    METADATA_FILE,
    TILES_FILE,
    check_files,
    open_release,
)
from serving.model.physics import physics_of_row
from serving.model.schema import (
    ClusterAnswer,
    CropAnswer,
    DegradationAnswer,
    EncoderDegradation,
    ModelAnswer,
    StateAnswer,
)

_MOST_CLUSTERS = 64
_PROBABILITY = "probability_"


@dataclass(frozen=True)
class Release:
    """A release folder of `classify`; its tables stay on the disk."""

    folder: Path
    metadata: dict[str, Any]
    tiles: TileFile

    @classmethod
    def open(cls, folder: Path, *, digests: bool = False) -> Self:
        """Open a release.

        Args:
            folder: made by classify.
            digests: compare those of all files, not their sizes alone: once for all workers.

        Raises:
            CropSetError: there is none, it has no map tiles, or a file is not what was published.
            CatalogueError: its map tiles are damaged.
        """
        metadata = open_release(folder)
        if metadata is None:
            raise CropSetError(f"release={folder} holds no {METADATA_FILE}; make it with classify.")
        if not (folder / TILES_FILE).is_file():
            raise CropSetError(
                f"release={folder} was made before releases had {TILES_FILE}; run classify into "
                "another output."
            )
        check_files(folder, metadata, digests=digests)
        tiles = TileFile(folder / TILES_FILE)
        if len(tiles) != metadata["counts"]["craters"]:
            raise CropSetError(
                f"release={folder}: {TILES_FILE} holds {len(tiles)} craters, {METADATA_FILE} "
                f"tells of {metadata['counts']['craters']}; run classify into another output."
            )
        return cls(folder, metadata, tiles)

    def __len__(self) -> int:
        return len(self.tiles)

    @cached_property
    def clusters(self) -> dict[int, int]:
        """Number of craters by cluster, of the most frequent ones."""
        if "cluster_id" not in self.tiles.craters.column_names:
            return {}
        counted = pc.value_counts(self.tiles.craters["cluster_id"]).to_pylist()
        counted.sort(key=lambda pair: (-pair["counts"], pair["values"]))
        return {pair["values"]: pair["counts"] for pair in counted[:_MOST_CLUSTERS]}

    @property
    def model_digest(self) -> str:
        """Of the model that made the release."""
        return str(self.metadata["model"]["digest"])

    def row_of(self, crater_id: str) -> int | None:
        """Return where a crater stands in the tables; None if it is not among them."""
        found = self.tiles.find(crater_id)
        return None if found is None else self.tiles.craters["catalogue_row"][found].as_py()

    def place(self, crater_id: str) -> dict[str, float] | None:
        """Return longitude_deg, latitude_deg and diameter_km of a crater; None for another id."""
        found = self.tiles.find(crater_id)
        names = ("longitude_deg", "latitude_deg", "diameter_km")
        row = None if found is None else self.tiles.craters.slice(found, 1).select(names)
        return None if row is None else row.to_pylist()[0]

    def crater(self, row: int) -> dict[str, Any]:
        """Return all columns of a crater but its geometry; NaN is None."""
        found = self._read(CRATERS_FILE, row)
        return {k: _known(v) for k, v in found.items() if k != "geometry"}

    def embedding(self, row: int) -> Float32Array:
        """Return the embedding of a crater, (D,), as precise as float16."""
        return np.asarray(self._read(EMBEDDINGS_FILE, row)["embedding"], np.float32)

    def _read(self, name: str, row: int) -> dict[str, Any]:
        """One row; a row group is read for it, so only one at a time."""
        with _READING, pq.ParquetFile(self.folder / name) as file:
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if row < count:
                    found: dict[str, Any] = file.read_row_group(group).slice(row, 1).to_pylist()[0]
                    return found
                row -= count
        raise CropSetError(
            f"{self.folder / name} has fewer rows than {TILES_FILE} lists; run classify into "
            "another output."
        )


_READING = threading.Lock()


def answer_of(crater: dict[str, Any], metadata: dict[str, Any]) -> CropAnswer:
    """Return what a release says of a crater, in the form of a fresh answer."""
    known = {name: metadata["model"].get(name) for name in ("name", "version", "model_id")}
    answer = CropAnswer(model=ModelAnswer(**known))
    if "state" in crater:
        named = {k.removeprefix(_PROBABILITY): v for k, v in crater.items()
                 if k.startswith(_PROBABILITY)}  # fmt: skip
        answer.state = StateAnswer(
            label=str(crater.get("state_name") or crater["state"]),
            probabilities=named,
            conformal_set=[name for name in crater["conformal_set"].split("|") if name],
            abstained=crater["abstained"],
        )
        answer.degradation = DegradationAnswer(
            score=crater["degradation"], uncertainty=crater["degradation_uncertainty"]
        )
    score, uncertainty = (crater.get(name) for name in SCORE_COLUMNS)
    if score is not None and uncertainty is not None:
        answer.encoder_degradation = EncoderDegradation(score=score, uncertainty=uncertainty)
    answer.physics = physics_of_row(crater)
    if "cluster_id" in crater:
        answer.cluster = ClusterAnswer(
            id=crater["cluster_id"],
            distance=crater["cluster_distance"],
            confidence=crater["cluster_confidence"],
        )
        answer.novelty = crater["novelty"]
    return answer


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
