r"""Rank trained encoders on one crop set with measured depths.

    python -m benchmarks.probes --crops CROPS --depths depths.csv --block_deg 30 20 \
        --encoder pretrained:craters-48 --encoder data/physics/encoder \
        --latents published=latents.npy,latents_ids.csv --output probes.csv

States are quantiles of the measured depth over diameter (with --relative of the depth over that of
a fresh crater of this size), 1 the deepest. Folds are spatial blocks, five groups of them; on the
embedding as it is: "linear" is the balanced accuracy of a logistic regression and QWK its quadratic
weighted kappa, Spearman is that of a ridge regression on log depth with the measured one, ARI that
of k-means with as many clusters as states, LDA150 the balanced accuracy of a shrinkage LDA on 150
labels. "own" is Spearman's correlation of the encoder's own score with the depth: no label is
used. Intervals (95 %) come from resampling blocks. --blocks odd judges on the black fields of a
chequerboard of blocks, even on the white ones: choose on one half, report the other. Encoders that
were trained elsewhere are named by their checkpoint folders; latents of other programs come with
the ids of their craters, one a line under a heading.
"""

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score, cohen_kappa_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lunar_models.catalogue.labels import read_depths
from lunar_models.crops.crop_set import CropSet
from lunar_models.degradation.depth_states import fresh_depth_over_diameter
from lunar_models.embedding import embed_crops, score_crops
from lunar_models.encoders.checkpoint import Checkpoint

LEAST_DEPTH = 0.005
FOLDS, LABELLED, DRAWS, KMEANS_SEEDS, REPLICATES = 5, 150, 5, 3, 500
AXES = ("longitude", "latitude")
Floats = npt.NDArray[np.floating]


def main() -> None:
    """Print one row for each encoder."""
    options = _options()
    crop_set = CropSet.open(options.crops)
    craters = judged_craters(crop_set, options)
    rows = []
    for uri in options.encoder:
        checkpoint = Checkpoint.load(uri).adapted_to(crop_set)
        score = score_crops(checkpoint, crop_set.crops)
        own = None if score is None else score[craters["row"], 0]
        embedding = embed_crops(checkpoint, crop_set.crops)[craters["row"]]
        rows.append({"encoder": uri, **probe(embedding, craters, own)})
    for given in options.latents:
        name, _, files = given.partition("=")
        latents, ids = files.split(",")
        rows.append({"encoder": name, **_probe_latents(latents, ids, craters)})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="%.3f"))
    table.to_csv(options.output, index=False, float_format="%.4f")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("crops", "depths", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--encoder", action="append", default=[])
    parser.add_argument("--latents", action="append", default=[])
    parser.add_argument("--block_deg", nargs=2, type=float, default=(4.0, 4.0))
    parser.add_argument("--diameters_km", nargs=2, type=float, default=(0.0, 1e4))
    parser.add_argument("--states", type=int, default=4)
    parser.add_argument("--relative", action="store_true")
    parser.add_argument("--blocks", choices=["all", "even", "odd"], default="all")
    return parser.parse_args()


def judged_craters(crop_set: CropSet, options: argparse.Namespace) -> pd.DataFrame:
    """Row in the crop set, crater_id, depth, state (1 the deepest) and block of each crater."""
    table = crop_set.metadata.rename_axis("row").reset_index()
    depth = read_depths(options.depths).set_index("crater_id")["depth_over_diameter"]
    table["depth"] = table["crater_id"].map(depth)
    inside = table["diameter_km"].between(*options.diameters_km)
    table = table[inside & (table["depth"] > LEAST_DEPTH)].reset_index(drop=True)
    if options.relative:
        table["depth"] /= fresh_depth_over_diameter(table["diameter_km"])
    edges = table["depth"].quantile(np.arange(1, options.states) / options.states)
    table["state"] = options.states - np.searchsorted(edges, table["depth"])
    place = [np.floor(table[f"{axis}_deg"] / side).astype(int)
             for axis, side in zip(AXES, options.block_deg, strict=True)]  # fmt: skip
    table["block"] = 1000 * place[0] + place[1]
    odd = (place[0] + place[1]) % 2 == 1
    kept = {"all": np.ones(len(table), bool), "even": ~odd, "odd": odd}[options.blocks]
    return table.loc[kept, ["row", "crater_id", "depth", "state", "block"]].reset_index(drop=True)


def probe(embedding: Floats, craters: pd.DataFrame, own: Floats | None = None) -> dict[str, Any]:
    """All figures of one encoder.

    Args:
        embedding: (N, D).
        craters: N rows as `judged_craters` gives them.
        own: (N,) the encoder's own score, worn craters the highest.
    """
    state, depth = craters["state"].to_numpy(), np.log10(craters["depth"].to_numpy())
    said, ridge = np.zeros(len(state), int), np.zeros(len(state))
    for taught, left in GroupKFold(FOLDS).split(embedding, state, craters["block"]):
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=500))
        said[left] = linear.fit(embedding[taught], state[taught]).predict(embedding[left])
        line = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15)))
        ridge[left] = line.fit(embedding[taught], depth[taught]).predict(embedding[left])
    figures = {
        "linear": (balanced_accuracy_score, state, said),
        "qwk": (_kappa, state, said),
        "spearman": (_spearman, depth, ridge),
        **({} if own is None else {"own": (_spearman, depth, -own)}),
    }
    row: dict[str, Any] = {"craters": len(state), "dim": embedding.shape[1]}
    blocks = _resampled(craters["block"].to_numpy())
    for name, (measure, one, other) in figures.items():
        low, high = np.quantile([measure(one[b], other[b]) for b in blocks], (0.025, 0.975))
        row |= {name: measure(one, other), f"{name} 95 %": f"{low:.3f}-{high:.3f}"}
    return row | {"ari": _ari(embedding, state), "lda150": _lda(embedding, state)}


def _kappa(state: Floats, said: Floats) -> float:
    return float(cohen_kappa_score(state, said, weights="quadratic"))


def _spearman(one: Floats, other: Floats) -> float:
    return float(spearmanr(one, other).statistic)


def _resampled(blocks: npt.NDArray[np.integer]) -> list[npt.NDArray[np.integer]]:
    """Rows of craters in blocks that are drawn with replacement, `REPLICATES` times."""
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    return [np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
            for _ in range(REPLICATES)]  # fmt: skip


def _ari(embedding: Floats, state: npt.NDArray[np.integer]) -> float:
    clusters = (
        KMeans(state.max(), n_init=4, random_state=seed).fit_predict(embedding)
        for seed in range(KMEANS_SEEDS)
    )
    return float(np.mean([adjusted_rand_score(state, found) for found in clusters]))


def _lda(embedding: Floats, state: npt.NDArray[np.integer]) -> float:
    rng, scores = np.random.default_rng(0), []
    for _ in range(DRAWS):
        order = rng.permutation(len(state))
        given, left = order[:LABELLED], order[LABELLED:]
        model = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
        said = model.fit(embedding[given], state[given]).predict(embedding[left])
        scores.append(balanced_accuracy_score(state[left], said))
    return float(np.mean(scores))


def _probe_latents(latents: str, ids: str, craters: pd.DataFrame) -> dict[str, Any]:
    """The figures of latents that another program made, of the judged craters it has."""
    values = np.load(latents, allow_pickle=False)
    known = pd.Index(pd.read_csv(ids, dtype=str).iloc[:, 0])
    order = known.get_indexer(craters["crater_id"])
    return probe(values[order[order >= 0]], craters[order >= 0].reset_index(drop=True))


if __name__ == "__main__":
    main()
