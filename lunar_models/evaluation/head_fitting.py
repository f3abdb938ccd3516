"""Fit and calibrate a classification head on embeddings with known states."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.preprocessing import StandardScaler

from lunar_models.arrays import FloatArray
from lunar_models.evaluation.probes import lda_probe, ordinal_probe, out_of_fold_probabilities
from lunar_models.heads.head import Head, conformal_set, temper

Ranks = npt.NDArray[np.integer[Any]]
HeadKind = Literal["auto", "lda", "ordinal"]

_PROBES: dict[str, Callable[[], Any]] = {"lda": lda_probe, "ordinal": ordinal_probe}
_TEMPERATURE_RANGE = (0.05, 20.0)


@dataclass(frozen=True)
class FittedHead:
    """A head fitted on all craters, and its out-of-fold predictions for the same craters."""

    head: Head
    probabilities: FloatArray
    """(N, K) out of fold; calibrated on the other folds too."""
    conformal_set: npt.NDArray[np.bool_]
    """(N, K) out of fold; the threshold of the other folds."""


def fit_head(
    embeddings: FloatArray,
    ranks: Ranks,
    folds: Ranks,
    *,
    states: tuple[str, ...],
    kind: HeadKind,
    conformal_level: float,
    abstain_below: float,
) -> FittedHead:
    """Fit and calibrate a head, and predict each crater out of fold.

    Args:
        embeddings: (N, D) finite.
        ranks: (N,) states 0..K-1, all of them present.
        folds: (N,) spatial fold of each crater; calibration uses out-of-fold predictions.
        states: K names, freshest first.
        kind: lda, ordinal, or auto: the one with the smaller calibrated log loss out of fold.
        conformal_level: share of craters whose set should hold the true state.
        abstain_below: probability below which the head abstains.
    """
    kinds = ["lda", "ordinal"] if kind == "auto" else [kind]
    raw = {
        name: out_of_fold_probabilities(_PROBES[name], embeddings, ranks, folds, len(states))
        for name in kinds
    }
    kind_ = min(kinds, key=lambda name: log_loss(_tempered(raw[name], ranks), ranks))
    temperature = fit_temperature(raw[kind_], ranks)
    head = Head(
        kind=kind_,
        states=states,
        **_linear_model(kind_, embeddings, ranks),
        temperature=temperature,
        conformal_threshold=conformal_threshold(
            temper(raw[kind_], temperature), ranks, conformal_level
        ),
        conformal_level=conformal_level,
        abstain_below=abstain_below,
    )
    return FittedHead(head, *_cross_calibrated(raw[kind_], ranks, folds, conformal_level))


def fit_temperature(probabilities: FloatArray, ranks: Ranks) -> float:
    """Fit the temperature that minimises the log loss of out-of-fold probabilities (N, K)."""
    low, high = np.log(_TEMPERATURE_RANGE)
    found = minimize_scalar(
        lambda x: log_loss(temper(probabilities, np.exp(x)), ranks),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(found.x))


def conformal_threshold(probabilities: FloatArray, ranks: Ranks, level: float) -> float:
    """Compute the minimum probability of a state in a conformal set of coverage `level`.

    Split conformal with the score 1 - p(true state) (Sadinle et al. 2019,
    doi 10.1080/01621459.2017.1395341). The probabilities are out of fold, so all craters
    calibrate (cross-conformal, Vovk 2015, doi 10.1007/s10472-013-9368-4).

    Args:
        probabilities: (N, K) calibrated, out of fold.
        ranks: (N,) true states.
        level: coverage, such as 0.9.

    Returns:
        In [0, 1]; 0 (every state enters) when there are too few craters for the level.
    """
    scores = np.sort(1.0 - probabilities[np.arange(len(ranks)), ranks])
    position = int(np.ceil((len(scores) + 1) * level)) - 1
    return float(1.0 - scores[position]) if position < len(scores) else 0.0


def log_loss(probabilities: FloatArray, ranks: Ranks) -> float:
    """Compute the log loss: the mean negative logarithm of the true state's probability."""
    chosen = probabilities[np.arange(len(ranks)), ranks]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def _tempered(probabilities: FloatArray, ranks: Ranks) -> FloatArray:
    return temper(probabilities, fit_temperature(probabilities, ranks))


def _cross_calibrated(
    raw: FloatArray, ranks: Ranks, folds: Ranks, level: float
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Probabilities and sets of each fold with the temperature and threshold of the others."""
    probabilities, sets = np.empty(raw.shape), np.empty(raw.shape, np.bool_)
    for fold in np.unique(folds):
        test, rest = folds == fold, folds != fold
        temperature = fit_temperature(raw[rest], ranks[rest])
        threshold = conformal_threshold(temper(raw[rest], temperature), ranks[rest], level)
        probabilities[test] = temper(raw[test], temperature)
        sets[test] = conformal_set(probabilities[test], threshold)
    return probabilities, sets


def _linear_model(kind: str, embeddings: FloatArray, ranks: Ranks) -> dict[str, FloatArray]:
    """The fitted model as the arrays of a `Head`."""
    scaler = StandardScaler().fit(embeddings)
    model = _PROBES[kind]()
    if kind == "ordinal":
        model = model[-1].fit(scaler.transform(embeddings), ranks)
        weights, offset = model.coef_[:, None], model.thresholds_
    else:
        model.fit(scaler.transform(embeddings), ranks)
        weights, offset = model.coef_.T, model.intercept_
        if weights.shape[1] == 1:  # two states: scikit-learn keeps only their difference
            weights, offset = np.hstack((-weights, weights)) / 2, np.append(-offset, offset) / 2
    return {"mean": scaler.mean_, "scale": scaler.scale_, "weights": weights, "offset": offset}
