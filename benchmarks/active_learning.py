r"""Measure how many labels a chosen order saves against a random one, seed by seed.

    python -m benchmarks.active_learning --crops data/crops --labels labels.csv
    python -m benchmarks.active_learning --crops data/crops --labels labels.csv --seeds 20 \
        --figure curve.png

Spatial blocks are held out once and for all; test crops that overlap a crop of the pool are left
out. Every seed draws 70 % of the pool, and all methods choose from these, in steps of ten; the
head is refitted on the labels so far. Typical craters (30) or a design (60, chosen on photographs)
come before uncertain ones. Choices are stratified by diameter, latitude, brightness and contrast;
rows without strata show what that costs.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.catalogue.labels import read_labels
from lunar_models.catalogue.splits import (
    assign_splits,
    footprint_radius_km,
    overlapping,
)
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.pretrained import pretrained_folder
from lunar_models.evaluation.metrics import confusion_counts, quadratic_weighted_kappa
from lunar_models.evaluation.probes import ordinal_probe
from lunar_models.labelling.selection import Method, select, stratify
from lunar_models.plots.evaluation import interval_bars
from lunar_models.plots.style import OKABE_ITO, new_figure, subplots

BUDGET, STEP, FIRST, POOL_SHARE, TEST_SHARE = 150, 10, 30, 0.7, 0.3
STRATEGIES: dict[str, tuple[Method, Method, int, bool]] = {
    "random": ("random", "random", 0, False),
    "random, stratified": ("random", "random", 0, True),
    "design": ("design", "design", 0, False),
    "design, stratified": ("design", "design", 0, True),
    "design then weighted, stratified": ("design", "weighted", 30, True),
    "design then uncertain, stratified": ("design", "uncertain", 60, True),
    "typical, stratified": ("typical", "typical", 0, True),
    "covering, stratified": ("covering", "covering", 0, True),
    "typical then uncertain, stratified": ("typical", "uncertain", 30, True),
    "typical then margin, stratified": ("typical", "margin", 30, True),
}
"""Name -> first method, the one after that, the labels at which they change, with quotas."""


@dataclass(frozen=True)
class Task:
    """Embeddings and states; rows of the pool and of the test craters."""

    embeddings: npt.NDArray[np.float64]
    ranks: npt.NDArray[np.int64]
    strata: npt.NDArray[np.int64]
    pool: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]

    def score(self, rows: npt.NDArray[np.int64]) -> tuple[float, npt.NDArray[np.float64]]:
        """Kappa on the test craters, and (N, K) probabilities, of a probe fitted on `rows`."""
        n_states = int(self.ranks.max()) + 1
        probabilities = np.zeros((len(self.ranks), n_states))
        probe = ordinal_probe().fit(self.embeddings[rows], self.ranks[rows])
        probabilities[:, probe.classes_] = probe.predict_proba(self.embeddings)
        predicted = probabilities[self.test].argmax(axis=1)
        counts = confusion_counts(self.ranks[self.test], predicted, n_states)
        return float(quadratic_weighted_kappa(counts)), probabilities


def main() -> None:
    """Print the curves, and what is saved."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--encoder", default="pretrained:craters-48")
    parser.add_argument("--cache", type=Path, help="Folder that keeps the embeddings.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    crop_set = CropSet.open(options.crops)
    task = make_task(crop_set, embed(crop_set, options.encoder, options.cache), options.labels)
    rows = [
        {"strategy": name, "seed": seed, "labels": count, "qwk": kappa}
        for name in STRATEGIES
        for seed in range(options.seeds)
        for count, kappa in run(task, name, seed).items()
    ]
    results = pd.DataFrame(rows)
    print(f"{len(task.pool)} craters in the pool, {len(task.test)} test craters")
    print(f"{options.seeds} seeds; with all labels of the pool: {task.score(task.pool)[0]:.3f}")
    curves = results.pivot_table(index="strategy", columns="labels", values="qwk", sort=False)
    print(curves.round(3).to_string())
    print(savings(results).round(3).to_string(index=False))
    if options.figure:
        curve_figure(results).savefig(options.figure, dpi=120)


def embed(crop_set: CropSet, encoder: str, cache: Path | None) -> npt.NDArray[np.float64]:
    """(N, D), read from the cache if it has them."""
    file = None if cache is None else cache / f"{crop_set.info.digest[:16]}.npy"
    if file is not None and file.exists():
        return np.load(file).astype(np.float64)
    checkpoint = Checkpoint.load(pretrained_folder(encoder)).adapted_to(crop_set)
    found = embed_crops(checkpoint, crop_set.crops)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, found)
    return found.astype(np.float64)


def make_task(crop_set: CropSet, embeddings: npt.NDArray[np.float64], labels: Path) -> Task:
    """Join labels to crops and hold out blocks; seed 0 of the split, always."""
    known = read_labels(labels).set_index("crater_id")["state"]
    labelled = crop_set.metadata["crater_id"].isin(known.index).to_numpy()
    craters = crop_set.metadata[labelled].reset_index(drop=True)
    place = {name: craters[name].to_numpy() for name in ("longitude_deg", "latitude_deg")}
    split = assign_splits(
        **place, block_deg=None, validation_fraction=0.0, test_fraction=TEST_SHARE, seed=0
    )
    place["radius_km"] = footprint_radius_km(
        craters["diameter_km"].to_numpy(), crop_set.info.context_diameters
    )
    pool, test = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
    shared = overlapping(
        **{name: values[test] for name, values in place.items()},
        **{f"reference_{name}": values[pool] for name, values in place.items()},
    )
    strata = stratify(
        np.log(craters["diameter_km"]), craters["latitude_deg"], craters["mean_brightness"],
        craters["contrast"], bins=2,
    )  # fmt: skip
    ranks = known.loc[craters["crater_id"]].to_numpy() - 1
    return Task(embeddings[labelled], ranks, strata, pool, test[~shared])


def run(task: Task, strategy: str, seed: int) -> dict[int, float]:
    """Kappa by number of labels."""
    first, later, change, stratified = STRATEGIES[strategy]
    rng = np.random.default_rng([seed, 1])
    pool = rng.permutation(task.pool)[: int(POOL_SHARE * len(task.pool))]
    chosen = np.empty(0, np.int64)
    probabilities, curve = None, {}
    while len(chosen) < BUDGET:
        method = first if len(chosen) < change else later
        new = select(
            task.embeddings[pool], FIRST if len(chosen) < FIRST else STEP,
            labelled=chosen, method=method, seed=seed * 1000 + len(chosen),
            strata=task.strata[pool] if stratified else None,
            probabilities=None if probabilities is None else probabilities[pool],
        )  # fmt: skip
        chosen = np.concatenate((chosen, new))
        curve[len(chosen)], probabilities = task.score(pool[chosen])
    return curve


def savings(results: pd.DataFrame) -> pd.DataFrame:
    """Paired by seed: the gain over random with all labels, and the labels that equal it.

    `labels_needed` is the first number of labels at which the mean over seeds reaches the mean of
    random at the budget, `share` its part of the budget; `wins` are the seeds where 60 % of the
    labels are at least as good as all of the random ones.
    """
    wide = results.pivot(index=["strategy", "seed"], columns="labels", values="qwk")
    random = wide.loc["random", BUDGET]
    part = int(0.6 * BUDGET)
    rng = np.random.default_rng(0)
    rows = []
    for name in STRATEGIES:
        own = wide.loc[name]
        reached = own.columns[own.mean() >= random.mean()]
        row = {"strategy": name, "labels_needed": reached.min() if len(reached) else np.nan}
        row["share"] = row["labels_needed"] / BUDGET
        for count in (part, BUDGET):
            gain = (own[count] - random).to_numpy()
            means = rng.choice(gain, (2000, len(gain))).mean(axis=1)
            row[f"gain_{count}"] = gain.mean()
            row[f"low_{count}"], row[f"high_{count}"] = np.quantile(means, [0.025, 0.975])
        row["wins"] = f"{int((own[part] >= random).sum())} of {len(random)}"
        rows.append(row)
    return pd.DataFrame(rows)


def curve_figure(results: pd.DataFrame) -> Figure:
    """Draw mean kappa with the central 95 % of the mean, by number of labels."""
    figure = new_figure(8, 5)
    axes = subplots(figure)[0, 0]
    for i, name in enumerate(STRATEGIES):
        groups = results[results["strategy"] == name].groupby("labels")["qwk"]
        error = 1.96 * groups.std() / np.sqrt(groups.size())
        one = pd.DataFrame({"value": groups.mean()})
        one["low"], one["high"] = one["value"] - error, one["value"] + error
        axes.errorbar(
            one.index + 0.3 * (i - 3), one["value"], interval_bars(one), capsize=2, label=name,
            color=OKABE_ITO[i % 8], ls="--" if "random" in name else "-",
        )  # fmt: skip
    axes.set(xlabel="labelled craters", ylabel="quadratic-weighted kappa on held-out blocks")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    main()
