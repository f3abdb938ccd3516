"""Measure how precisely a search by examples finds planted kinds of craters.

    python -m benchmarks.few_shot --folder data/benchmark/few_shot
    python -m benchmarks.few_shot --folder data/benchmark/few_shot --figure kinds.png
    python -m benchmarks.few_shot --seed 1     # a Moon on which nothing was chosen
    python -m benchmarks.few_shot --speed

A synthetic Moon is cut into crops, and kinds are planted into some of the crops: bright rays, flat
dark (flooded) floors, an inner ring, a second crater on the rim. A search begins with three
examples and three random others; in each of three rounds the twenty best are confirmed or rejected
by the truth. Precision is that of the next page, craters never marked before; the nearest
neighbours of the first examples stand beside it. The rest of the catalogue is not of the kind.
The same from the embedding alone, as in reference sets without thumbnails, is the baseline.

`--speed` fits a probe and ranks 1.3 million random embeddings; the baseline sorts all of them.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.display import display_crop
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.pretrained import pretrained_folder
from lunar_models.labelling.appearance import appearance, search_features
from lunar_models.labelling.few_shot import Background, ranked
from lunar_models.plots.style import new_figure, subplots
from lunar_models.synthetic.synthesize import synthesize

SHARE, EXAMPLES, PAGE, ROUNDS, SEEDS = 0.05, 3, 20, 3, 20
_SUN_SLOPE = 1.5
"""Change of brightness per unit slope towards the Sun: the tangent of an incidence of 56 deg."""
Grid = npt.NDArray[np.float64]


def main() -> None:
    """Print precision by kind and round."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark/few_shot"))
    parser.add_argument("--encoder", default="pretrained:craters-48")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the Moon")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    crop_set = moon(options.folder / f"moon{options.seed}", options.seed)
    crops, kinds = plant(crop_set)
    if options.figure:
        kinds_figure(crops, kinds).savefig(options.figure, dpi=110)
    checkpoint = Checkpoint.load(pretrained_folder(options.encoder)).adapted_to(crop_set)
    embeddings = embed_crops(checkpoint, crops)
    looks = appearance(crops, context_diameters=crop_set.info.context_diameters)
    print(f"{len(crops)} craters, means of {SEEDS} searches, pages of {PAGE}")
    for name, features in (
        ("embedding alone", embeddings),
        ("embedding and look", search_features(embeddings, looks)),
    ):
        background = Background.of(features)
        rows = [
            {"kind": kind, "planted": int((kinds == kind).sum()),
             **search(features, background, kinds == kind, seed)}
            for kind in KINDS for seed in range(SEEDS)
        ]  # fmt: skip
        table = pd.DataFrame(rows).groupby("kind", sort=False).agg("mean")
        print(f"{name}\n{table.round(3).to_string()}")


def speed() -> None:
    """Print how long a search takes among 1.3 million craters."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(1_300_000, 64)).astype(np.float32)
    background = Background.of(embeddings)
    none = np.empty((0, 64), np.float32)
    background.fit(embeddings[:1], none)  # the first fit of a process loads libraries
    fit, page, whole = [], [], []
    for n in range(1, 21):
        marked = rng.permutation(len(embeddings))[: 2 * n]
        began = time.perf_counter()
        probe = background.fit(embeddings[marked[:n]], embeddings[marked[n:]])
        fitted = time.perf_counter()
        scores = probe.score(embeddings)
        next(ranked(scores, marked))
        ended = time.perf_counter()
        np.argsort(-probe.score(embeddings), kind="stable")
        fit.append(fitted - began)
        page.append(ended - fitted)
        whole.append(time.perf_counter() - ended)
    print(f"fit: p50 {1e3 * np.median(fit):.1f} ms, at most {1e3 * max(fit):.1f} ms")
    print(f"all scores and the first 200 in order: p50 {1e3 * np.median(page):.0f} ms")
    print(f"baseline, all in order: {np.median(whole) / np.median(page):.1f} times as long")


def moon(folder: Path, seed: int = 0) -> CropSet:
    """Make the crop set, unless it is there."""
    if not (folder / "crops" / "crop_set.json").exists():
        config = SynthesizeConfig(output=str(folder / "moon"), diameter_min_km=2.0, seed=seed)
        synthesize(config)
        make_crop_set(
            PreprocessConfig(
                mosaic=(str(folder / "moon" / "mosaic.tif"),),
                catalogue=str(folder / "moon" / "robbins.csv"),
                output=str(folder / "crops"),
                crop_size_px=48,
            )
        )
    return CropSet.open(folder / "crops")


def plant(crop_set: CropSet) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
    """(N, S, S) crops, and the kind of each, `plain` for most."""
    crops = np.array(crop_set.crops)
    rng = np.random.default_rng(0)
    kinds = np.full(len(crops), "plain", "U20")
    rows = rng.permutation(len(crops))
    count = int(SHARE * len(crops))
    side, half = crops.shape[1], crop_set.info.context_diameters
    row, column = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
    east, north = column * half, -row * half  # in crater radii
    for n, (kind, make) in enumerate(KINDS.items()):
        chosen = rows[n * count : (n + 1) * count]
        kinds[chosen] = kind
        for k in chosen:
            crops[k] = np.clip(make(crops[k].astype(np.float64), east, north, rng), 1, 255)
    return crops, kinds


def _rays(crop: Grid, east: Grid, north: Grid, rng: np.random.Generator) -> Grid:
    """Brighten streaks around the rim, a third to a half brighter."""
    angle, radius = np.arctan2(north, east), np.hypot(east, north)
    waves = sum(np.cos(m * angle + rng.uniform(0, 2 * np.pi)) for m in rng.choice(range(4, 12), 3))
    outside = 1 / (1 + np.exp(-(radius - 0.95) / 0.05))
    return crop * (1 + rng.uniform(0.3, 0.5) * np.maximum(waves / 2, 0) * outside)


def _flooded(crop: Grid, east: Grid, north: Grid, rng: np.random.Generator) -> Grid:
    """Replace the floor by a flat, darker plain."""
    inside = 1 / (1 + np.exp((np.hypot(east, north) - rng.uniform(0.65, 0.8)) / 0.03))
    plain = rng.uniform(0.75, 0.9) * crop.mean() * (1 + rng.normal(0, 0.02, crop.shape))
    return crop * (1 - inside) + plain * inside


def _shaded(crop: Grid, relief: Grid, east: Grid) -> Grid:
    """Light further relief, in crater radii, by the Sun in the east."""
    slope = np.gradient(relief, east[0, 1] - east[0, 0], axis=1)
    return crop * np.clip(1 - _SUN_SLOPE * slope, 0.1, 2.5)


def _concentric(crop: Grid, east: Grid, north: Grid, rng: np.random.Generator) -> Grid:
    """Raise an inner ring."""
    radius, height = rng.uniform(0.4, 0.55), rng.uniform(0.05, 0.09)
    ring = height * np.exp(-(((np.hypot(east, north) - radius) / 0.09) ** 2))
    return _shaded(crop, ring, east)


def _doublet(crop: Grid, east: Grid, north: Grid, rng: np.random.Generator) -> Grid:
    """Sink a second bowl, half to nine tenths as large, into the rim."""
    angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 0.9)
    away = rng.uniform(0.9, 1.1)
    radius = np.hypot(east - away * np.cos(angle), north - away * np.sin(angle)) / size
    bowl = np.where(radius < 1, 0.35 * (radius**2 - 1) + 0.06, 0.06 / np.maximum(radius, 1) ** 3)
    return _shaded(crop, size * bowl, east)


KINDS = {"rays": _rays, "flooded": _flooded, "concentric": _concentric, "doublet": _doublet}


def search(
    embeddings: npt.NDArray[np.float32],
    background: Background,
    truth: npt.NDArray[np.bool_],
    seed: int,
) -> dict[str, float]:
    """Precision of the page after each round, and the time of a fit in milliseconds."""
    rng = np.random.default_rng(seed)
    positives = list(rng.permutation(np.flatnonzero(truth))[:EXAMPLES])
    negatives = list(rng.permutation(np.flatnonzero(~truth))[:EXAMPLES])
    centre = embeddings[positives].mean(axis=0)
    near = np.linalg.norm(embeddings - centre, axis=1)
    marked = np.array(positives + negatives)
    found = {"neighbours": truth[next(ranked(-near, marked, page=PAGE))].mean()}
    longest = 0.0
    for turn in range(ROUNDS + 1):
        began = time.perf_counter()
        probe = background.fit(embeddings[positives], embeddings[negatives])
        longest = max(longest, 1000 * (time.perf_counter() - began))
        marked = np.array(positives + negatives)
        page = next(ranked(probe.score(embeddings), marked, page=PAGE))
        found[f"round_{turn}"] = truth[page].mean()
        positives += list(page[truth[page]])
        negatives += list(page[~truth[page]])
    left = truth.sum() - EXAMPLES
    found["recall"] = (len(positives) - EXAMPLES) / left
    found["best_recall"] = min(PAGE * (ROUNDS + 1) / left, 1.0)
    found["fit_ms"] = longest
    return found


def kinds_figure(crops: npt.NDArray[np.uint8], kinds: npt.NDArray[np.str_]) -> Figure:
    """Draw eight crops of each kind, stretched."""
    names = [*KINDS, "plain"]
    figure = new_figure(9, 1.2 * len(names))
    for line, kind in zip(subplots(figure, len(names), 8), names, strict=True):
        for axis, k in zip(line, np.flatnonzero(kinds == kind), strict=False):
            axis.imshow(display_crop(crops[k]), cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(kind)
    return figure


if __name__ == "__main__":
    main()
