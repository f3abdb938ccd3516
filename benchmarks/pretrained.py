r"""Score an encoder with physical quantities on crops of measured depth.

    python -m benchmarks.pretrained --encoder pretrained:craters-48 --crops CROPS \
        --depths depths.csv --output pretrained

Prints predicted against measured depth, as it is and corrected by 100 measured depths; how the
encoder's own score and the measured depth depend on the diameter (an encoder must not rank by size
what does not differ by size); how wide intervals get where a crop is spoilt, and whether they still
hold; and crops embedded per second. Writes these tables and `spoilt.png`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from lunar_models.catalogue.labels import read_depths
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops, measure_crops, score_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.heads.physical import PhysicalPrediction

LEAST_DEPTH = 0.005
MEASURED, SHOWN, SPEED_CROPS = 100, 400, 16_384
Crops = npt.NDArray[np.uint8]


def main() -> None:
    """Judge one encoder on one crop set."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("encoder", "crops", "depths", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--diameters_km", nargs=2, type=float, default=(0.0, 1e4))
    options = parser.parse_args()
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    crop_set = CropSet.open(options.crops)
    checkpoint = Checkpoint.load(options.encoder).adapted_to(crop_set)
    depth = _depths(options, crop_set)
    tables = {
        "depths": _compared(checkpoint, crop_set, depth),
        "size": _size(checkpoint, crop_set, depth),
        "spoilt": _spoilt(checkpoint, crop_set, depth, output),
    }
    for name, table in tables.items():
        table.to_csv(output / f"{name}.csv", index=False, float_format="%.4f")
        print(table.to_string(index=False, float_format="%.3f"), end="\n\n")
    print(f"{_speed(checkpoint, crop_set):.0f} crops/s, {torch.get_num_threads()} threads")


def _compared(checkpoint: Checkpoint, crop_set: CropSet, depth: pd.Series) -> pd.DataFrame:
    """Predicted against measured depth, before and after recalibration."""
    rows = np.random.default_rng(0).permutation(np.flatnonzero(depth > 0))
    prediction = _prediction(checkpoint, crop_set.crops)
    given, judged = rows[:MEASURED], rows[MEASURED:]
    correction = prediction.take(given).depth_correction(depth.to_numpy()[given])
    corrected = prediction.corrected(correction)
    truth = np.column_stack([np.full(len(depth), np.nan), np.log(depth.clip(1e-6))])
    return pd.DataFrame(
        {"": label, "craters": len(judged), **_short(each.take(judged).scores(truth[judged]))}
        for label, each in (("as is", prediction), ("calibrated", corrected))
    )


def _short(scores: dict[str, float]) -> dict[str, float]:
    return {name.removeprefix("physics/depth_over_diameter_"): v for name, v in scores.items()}


def _size(checkpoint: Checkpoint, crop_set: CropSet, depth: pd.Series) -> pd.DataFrame:
    """Spearman's correlations with the diameter, and the score's with the depth in each third."""
    scores = score_crops(checkpoint, crop_set.crops)
    assert scores is not None
    rows = np.flatnonzero(depth > 0)
    table = pd.DataFrame({
        "diameter": crop_set.metadata["diameter_km"].to_numpy()[rows],
        "score": scores[rows, 0],
        "shallow": -depth.to_numpy()[rows],
    })  # fmt: skip
    thirds = {"all": table, **{
        f"{part['diameter'].min():.1f}-{part['diameter'].max():.1f} km": part
        for _, part in table.groupby(pd.qcut(table["diameter"], 3), observed=True)
    }}  # fmt: skip
    pairs = (("score", "diameter"), ("shallow", "diameter"), ("score", "shallow"))
    return pd.DataFrame(
        {"craters of": name, **{f"{a} : {b}": spearmanr(part[a], part[b]).statistic
                                for a, b in pairs}}
        for name, part in thirds.items()
    )  # fmt: skip


def _spoilt(
    checkpoint: Checkpoint, crop_set: CropSet, depth: pd.Series, output: Path
) -> pd.DataFrame:
    """Widths of the 95 % interval of depth where crops are spoilt, and a picture of them."""
    rows = np.flatnonzero(depth > 0)
    rows = rows[np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(int)]
    crops = np.array(crop_set.crops[rows])
    kinds, measured = _spoiling(crops), np.log(depth.to_numpy()[rows])
    truth = np.column_stack([np.full(len(rows), np.nan), measured])
    told = {name: _prediction(checkpoint, spoilt) for name, spoilt in kinds.items()}
    widths = {name: _width(prediction) for name, prediction in told.items()}
    _draw(kinds, widths, int(np.argsort(measured)[-len(rows) // 4]), output / "spoilt.png")
    plain = np.median(widths["as it is"])
    return pd.DataFrame(
        {
            "crops": name,
            "width in dex": np.median(width),
            "to that as it is": np.median(width) / plain,
            "wider": np.mean(width > widths["as it is"]),
            **_short(told[name].scores(truth)),
        }
        for name, width in widths.items()
    )


def _spoiling(crops: Crops) -> dict[str, Crops]:
    """(N, S, S) crops as they are and spoilt in several ways."""
    side = crops.shape[1]
    shadow = crops.copy()
    shadow[:, :, side * 2 // 5 :] = shadow[:, :, side * 2 // 5 :] // 20
    beside = np.roll(crops, (side // 2, side // 2), (1, 2))
    another = np.roll(crops, (1, side // 3, side // 4), (0, 1, 2)).astype(np.float32)
    overlapped = crops * another / another.mean((1, 2), keepdims=True).clip(1)
    noise = np.random.default_rng(0).normal(0, 1, crops.shape)
    ground = gaussian_filter(noise, (0, 1.5, 1.5)) * 60 + crops.mean()
    return {
        "as it is": crops,
        "blurred, 3 px": gaussian_filter(crops.astype(np.float32), (0, 3, 3)).astype(np.uint8),
        "blurred, 8 px": gaussian_filter(crops.astype(np.float32), (0, 8, 8)).astype(np.uint8),
        "8 px across": _enlarged(crops, 8),
        "4 px across": _enlarged(crops, 4),
        "in shadow": shadow,
        "overlapped": overlapped.clip(0, 255).astype(np.uint8),
        "off centre": beside,
        "no crater": ground.clip(0, 255).astype(np.uint8),
    }


def _enlarged(crops: Crops, native_px: int) -> Crops:
    """The crops as if the mosaic had only `native_px` pixels across them."""
    values = torch.from_numpy(crops)[:, None].float()
    few = torch.nn.functional.interpolate(values, size=native_px, mode="area")
    many = torch.nn.functional.interpolate(few, size=crops.shape[1], mode="bilinear")
    return np.asarray(many[:, 0].round().numpy().astype(np.uint8))


def _prediction(checkpoint: Checkpoint, crops: Crops) -> PhysicalPrediction:
    prediction = measure_crops(checkpoint, crops)
    assert prediction is not None
    return prediction


def _width(prediction: PhysicalPrediction) -> npt.NDArray[np.float64]:
    """(N,) of the 95 % interval of depth, dex."""
    low, high = prediction.interval(0.95)
    return np.asarray((high - low)[:, 1] / np.log(10))


def _draw(
    kinds: dict[str, Crops], widths: dict[str, npt.NDArray[np.float64]], row: int, path: Path
) -> None:
    """One crater in all its forms above the distributions of the widths."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    grid = figure.add_gridspec(2, len(kinds), height_ratios=(1, 2))
    for column, (name, crops) in enumerate(kinds.items()):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(crops[row], cmap="gray")
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    axes = figure.add_subplot(grid[1, :])
    axes.boxplot(
        list(widths.values()),
        tick_labels=[name.replace(", ", ",\n") for name in widths],
        showfliers=False,
        whis=(5, 95),
    )
    axes.set_ylabel("width of the 95 % interval\nof depth over diameter, dex")
    figure.savefig(path, dpi=120)


def _speed(checkpoint: Checkpoint, crop_set: CropSet) -> float:
    """Crops embedded per second; the best of three rounds."""
    repeats = -(-SPEED_CROPS // len(crop_set))
    crops = np.concatenate([np.array(crop_set.crops)] * repeats)[:SPEED_CROPS]
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        embed_crops(checkpoint, crops)
        seconds.append(time.perf_counter() - started)
    return len(crops) / min(seconds)


def _depths(options: argparse.Namespace, crop_set: CropSet) -> pd.Series:
    """(N,) measured depth over diameter, NaN where there is none or the size is not asked for."""
    by_id = read_depths(options.depths).set_index("crater_id")["depth_over_diameter"]
    depth = (
        by_id[by_id > LEAST_DEPTH].reindex(crop_set.metadata["crater_id"]).reset_index(drop=True)
    )
    low, high = options.diameters_km
    return depth.where(crop_set.metadata["diameter_km"].between(low, high))


if __name__ == "__main__":
    main()
