"""Compute the answers for the crops of a catalogue as columns: embedding, state, score, cluster."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from lunar_models.embedding import CropOutputs, compute_outputs
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.precision import pick_device
from lunar_models.export.columns import CLUSTER_COLUMNS, SCORE_COLUMNS
from lunar_models.export.tables import physical_table, score_table, state_table
from lunar_models.heads.head import Head, HeadPrediction
from lunar_models.heads.physical import PhysicalPrediction
from serving.batch import columns
from serving.model.bundle import ENCODER, Bundle

NO_EMBEDDING = "the encoder makes no finite embedding that fits half precision"


@dataclass(frozen=True)
class Answerer:
    """A loaded model and where it computes."""

    bundle: Bundle
    checkpoint: Checkpoint
    device: str

    @classmethod
    def load(cls, folder: Path, device: str) -> "Answerer":
        """Load the model of a job.

        Raises:
            CheckpointError: it is damaged, or does not compute what it should.
            ConfigError: the device is not on this machine.
        """
        bundle = Bundle.load(folder)
        where = pick_device(device).type
        if where == "cpu":
            return cls(bundle, bundle.checkpoint, where)
        # The bundle's encoder is prepared for the CPU and must not be moved.
        return cls(bundle, Checkpoint.load(folder / ENCODER), where)

    def answer(
        self, crops: npt.NDArray[np.uint8], craters: pd.DataFrame
    ) -> tuple[pa.Table, list[list[str]]]:
        """Answer for aligned crops.

        Args:
            crops: (n, S, S) uint8.
            craters: n rows of `columns.KNOWN`.

        Returns:
            A table of `schema` with one row for each crater that has an embedding, and
            crater_id and reason of the others.
        """
        told = compute_outputs(self.checkpoint, crops, device=self.device)
        embeddings = told.embeddings
        half = embeddings.astype(np.float16)
        usable = np.isfinite(half).all(axis=1)
        refused = [[str(name), NO_EMBEDDING] for name in craters["crater_id"].to_numpy()[~usable]]
        diameter = craters["diameter_km"].to_numpy()[usable]
        parts = [
            craters[usable][list(columns.KNOWN)],
            *self._parts(told.take(np.flatnonzero(usable)), diameter),
        ]
        frame = pd.concat([part.reset_index(drop=True) for part in parts], axis=1)
        table = pa.Table.from_pandas(frame, self.schema, preserve_index=False)
        vectors = pa.FixedSizeListArray.from_arrays(half[usable].ravel(), half.shape[1])
        return table.append_column(columns.EMBEDDING, vectors), refused

    def _parts(self, told: CropOutputs, diameter_km: npt.NDArray[np.float64]) -> list[pd.DataFrame]:
        parts = []
        if self.bundle.head is not None:
            parts.append(state_columns(self.bundle.head.predict(told.embeddings), self.bundle.head))
        if told.scores is not None:
            parts.append(score_table(told.scores))
        if told.physical is not None:
            parts.append(self._physical(told.physical, diameter_km))
        if self.bundle.clusters is not None:
            found = self.bundle.clusters.assign(told.embeddings)
            parts.append(pd.DataFrame({
                name: getattr(found, attribute) for name, attribute in CLUSTER_COLUMNS.items()
            }))  # fmt: skip
        return parts

    def _physical(
        self, measured: PhysicalPrediction, diameter_km: npt.NDArray[np.float64]
    ) -> pd.DataFrame:
        return physical_table(measured, diameter_km, self.checkpoint.interval_levels)

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the table, without the embedding."""
        head, clusters = self.bundle.head, self.bundle.clusters
        side = self.checkpoint.encoder.crop_size_px
        ramp = np.tile(np.arange(side, dtype=np.uint8), (1, side, 1))
        told = compute_outputs(self.checkpoint, ramp, device=self.device)
        physical = told.physical
        return columns.schema(
            states=None if head is None else head.states,
            scores=() if told.scores is None else SCORE_COLUMNS,
            physical=[] if physical is None else list(self._physical(physical, np.ones(1)).columns),
            clusters=clusters is not None,
        )

    @property
    def empty(self) -> pa.Table:
        """The table of no crater."""
        width = self.checkpoint.encoder.embedding_dim
        none = pa.FixedSizeListArray.from_arrays(np.empty(0, np.float16), width)
        return self.schema.empty_table().append_column(columns.EMBEDDING, none)


@lru_cache(maxsize=1)
def load_answerer(folder: Path, device: str) -> Answerer:
    """Return the model of a job, loaded once in each process."""
    return Answerer.load(folder, device)


def state_columns(prediction: HeadPrediction, head: Head) -> pd.DataFrame:
    """Join states, probabilities and scores with their conformal intervals, one row a crater.

    The interval of the degradation score reaches from the first to the last state of the
    conformal set, so it holds the true state's rank with probability `Head.conformal_level`
    (Vovk et al. 2005, doi 10.1007/b106715).
    """
    ranks = np.linspace(0.0, 1.0, len(head.states), dtype=np.float32)
    inside = prediction.conformal_set
    last = inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    return state_table(prediction, head.states).assign(
        degradation_low=ranks[inside.argmax(axis=1)],
        degradation_high=ranks[last],
    )
