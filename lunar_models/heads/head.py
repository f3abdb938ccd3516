"""Classify degradation states from embeddings, with calibrated uncertainty.

Fitted by `evaluation/head_fitting.py` with scikit-learn, stored as plain arrays, applied with
NumPy and SciPy. Calibration and conformal thresholds come from predictions out of spatial folds,
never from the craters a model was fitted on.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from lunar_models.arrays import FloatArray
from lunar_models.errors import DAMAGES, CheckpointError, LunarModelsError
from lunar_models.heads.ordinal import cumulative_probabilities

_LEAST_PROBABILITY = 1e-12


def _softmax_link(linear: FloatArray, offset: FloatArray) -> FloatArray:
    return np.asarray(softmax(linear + offset, axis=1))


def _ordinal_link(linear: FloatArray, offset: FloatArray) -> FloatArray:
    return cumulative_probabilities(linear[:, 0], offset)


_LINKS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "lda": _softmax_link,
    "ordinal": _ordinal_link,
}


@dataclass(frozen=True)
class HeadPrediction:
    """The prediction for N craters and K states."""

    state: npt.NDArray[np.str_]
    """(N,) name of the most probable state."""
    probabilities: FloatArray
    """(N, K) calibrated, rows sum to 1."""
    conformal_set: npt.NDArray[np.bool_]
    """(N, K) the states that cannot be excluded at the head's confidence level."""
    score: FloatArray
    """(N,) degradation score: expected rank of the state, 0 (first state) to 1 (last)."""
    score_std: FloatArray
    """(N,) standard deviation of that rank, on the same scale."""
    abstained: npt.NDArray[np.bool_]
    """(N,) the best probability is below `abstain_below`: leave this crater to a person."""


@dataclass(frozen=True)
class Head:
    """A fitted head: standardisation, a linear model, a temperature and two thresholds."""

    kind: str
    """lda or ordinal."""
    states: tuple[str, ...]
    """K names, freshest first."""
    mean: FloatArray
    """(D,)"""
    scale: FloatArray
    """(D,)"""
    weights: FloatArray
    """(D, K) for lda, (D, 1) for ordinal."""
    offset: FloatArray
    """(K,) for lda, (K-1,) thresholds for ordinal."""
    temperature: float
    """Above 1 makes probabilities more modest; Guo et al. (2017), arXiv 1706.04599."""
    conformal_threshold: float
    """States at least this probable are in the conformal set."""
    conformal_level: float
    """Share of craters whose set should hold the true state."""
    abstain_below: float

    @property
    def embedding_dim(self) -> int:
        """D, the length of the embeddings it takes."""
        return len(self.mean)

    def predict(self, embeddings: FloatArray) -> HeadPrediction:
        """Classify embeddings (N, D).

        Raises:
            LunarModelsError: wrong width, or values that are not finite.
        """
        embeddings = np.asarray(embeddings, np.float64)
        self._check(embeddings)
        linear = (embeddings - self.mean) / self.scale @ self.weights
        return self.decide(temper(_LINKS[self.kind](linear, self.offset), self.temperature))

    def decide(self, probabilities: FloatArray) -> HeadPrediction:
        """Turn calibrated probabilities (N, K) into states, sets and scores."""
        best = probabilities.argmax(axis=1)
        score, score_std = degradation_score(probabilities)
        return HeadPrediction(
            state=np.array(self.states)[best],
            probabilities=probabilities,
            conformal_set=conformal_set(probabilities, self.conformal_threshold),
            score=score,
            score_std=score_std,
            abstained=probabilities.max(axis=1, initial=0.0) < self.abstain_below,
        )

    def save(self, path: str | Path) -> None:
        """Write one npz file of plain arrays; equal heads give equal bytes."""
        with Path(path).open("wb") as file:
            np.savez(file, allow_pickle=False, **self._arrays())

    @classmethod
    def load(cls, path: str | Path) -> "Head":
        """Read a head written by `save`.

        Raises:
            CheckpointError: missing, damaged, or not a head.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                fields = {name: arrays[name] for name in cls.__dataclass_fields__}
                kind = str(fields.pop("kind"))
                states = tuple(str(name) for name in fields.pop("states"))
        except DAMAGES as error:
            raise CheckpointError(
                f"{path} is not a classification head ({error}); run evaluate again."
            ) from error
        plain: dict[str, Any] = {
            name: value if value.ndim else float(value) for name, value in fields.items()
        }
        return cls(kind=kind, states=states, **plain)

    def _arrays(self) -> dict[str, Any]:
        return {name: np.asarray(value) for name, value in asdict(self).items()}

    def _check(self, embeddings: FloatArray) -> None:
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embedding_dim:
            raise LunarModelsError(
                f"The head takes embeddings of shape (N, {self.embedding_dim}), these are "
                f"{embeddings.shape}; use the encoder the head was fitted for."
            )
        if not np.isfinite(embeddings).all():
            row = int(np.flatnonzero(~np.isfinite(embeddings).all(axis=1))[0])
            raise LunarModelsError(f"The embedding in row {row} is not finite; check its crop.")


def temper(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Soften (N, K) probabilities: their power 1/temperature, rescaled to sum to 1."""
    logarithm = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    return np.asarray(softmax(logarithm / temperature, axis=1))


def conformal_set(probabilities: FloatArray, threshold: float) -> npt.NDArray[np.bool_]:
    """Return (N, K): states at least as probable as the threshold, and always the most probable."""
    chosen = probabilities >= threshold
    chosen[np.arange(len(chosen)), probabilities.argmax(axis=1)] = True
    return chosen


def degradation_score(probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the state's rank, scaled to 0..1; (N, K) -> two (N,)."""
    ranks = np.linspace(0.0, 1.0, probabilities.shape[1])
    mean = probabilities @ ranks
    variance = probabilities @ ranks**2 - mean**2
    return mean, np.sqrt(np.maximum(variance, 0.0))
