"""Measure how often the consensus of simulated labellers is right, against the first votes alone.

    python -m benchmarks.consensus [--repetitions 20]

Labellers are right in a given share of craters and one state off in the others; four states with
the shares 10, 20, 40 and 30 %. `double` is the share of craters that a second labeller sees.
"""

import argparse

import numpy as np
import pandas as pd

from lunar_models.catalogue.states import STATE_NAMES
from lunar_models.labelling.consensus import find_consensus

_SHARES = (0.1, 0.2, 0.4, 0.3)
_CASES = (
    (60, (0.8, 0.7)), (150, (0.8, 0.7)), (300, (0.8, 0.7)), (300, (0.9, 0.6)),
    (300, (0.6, 0.6)), (300, (0.8, 0.7, 0.6)), (1000, (0.8, 0.7)),
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20)
    repetitions = parser.parse_args().repetitions
    print("craters | right | double | consensus | first votes | mean confidence | overruled")
    for double in (0.3, 1.0):
        for craters, right in _CASES:
            found = [_measure(craters, right, double, seed) for seed in range(repetitions)]
            figures = " | ".join(f"{100 * figure:.1f} %" for figure in np.nanmean(found, axis=0))
            print(f"{craters} | {right} | {double} | {figures}")


def _measure(craters: int, right: tuple[float, ...], double: float, seed: int) -> list[float]:
    """Shares: consensus right, first votes right, mean confidence, single votes overruled."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(_SHARES), craters, p=_SHARES)
    rows = []
    for crater, state in enumerate(truth):
        count = 2 if rng.random() < double else 1
        for person in rng.choice(len(right), count, replace=False):
            off = 0 if rng.random() < right[person] else int(rng.choice([-1, 1]))
            said = STATE_NAMES[int(np.clip(state + off, 0, len(_SHARES) - 1))]
            rows.append((f"{crater:05d}", f"person {person}", said))
    votes = pd.DataFrame(rows, columns=["crater_id", "labeller", "value"]).assign(kind="ordinary")
    table = find_consensus(votes, STATE_NAMES).table.set_index("crater_id")
    first = votes.groupby("crater_id")["value"].first().reindex(table.index)
    names = np.array(STATE_NAMES)[truth]
    single = table["labellers"] == 1
    return [
        float((table["state"] == names).mean()), float((first == names).mean()),
        float(table["confidence"].mean()),
        float((table["state"] != first)[single].mean()) if single.any() else np.nan,
    ]  # fmt: skip


if __name__ == "__main__":
    main()
