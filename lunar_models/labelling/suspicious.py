"""Find labels that a model, which has not seen them, disagrees with.

Confident learning: Northcutt, Jiang & Chuang (2021), doi 10.1613/jair.1.12125, as the library
cleanlab does it. A suspicious label is not a wrong one: it is one to look at again.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from lunar_models.arrays import FloatArray, IntArray


def find_suspicious_labels(
    crater_id: npt.NDArray[np.str_],
    ranks: IntArray,
    probabilities: FloatArray,
    states: Sequence[str],
) -> pd.DataFrame:
    """Rank labels by how little a model believes them.

    Args:
        crater_id: (N,).
        ranks: (N,) labelled states 0..K-1, each occurring.
        probabilities: (N, K) calibrated, out of fold: from a model that has not seen the label,
            nor the terrain (`head_fitting.fit_head`).
        states: K names, freshest first.

    Returns:
        N rows, the least believed first: crater_id, state (the label), suggested (the model's
        state), self_confidence (probability of the label), steps (states between both, positive
        where the model sees an older crater), suspicious (confident learning counts it among the
        labels in error).
    """
    probabilities = np.asarray(probabilities, np.float64)
    suspicious = find_label_issues(ranks, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    score = get_label_quality_scores(ranks, probabilities, method="self_confidence")
    suggested = probabilities.argmax(axis=1)
    names = np.array(list(states))
    table = pd.DataFrame(
        {
            "crater_id": crater_id,
            "state": names[ranks],
            "suggested": names[suggested],
            "self_confidence": score,
            "steps": suggested - np.asarray(ranks),
            "suspicious": suspicious,
        }
    )
    return table.sort_values(["self_confidence", "crater_id"], ignore_index=True)
