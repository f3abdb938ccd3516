r"""Tabulate every metric of every encoder on one crop set with labels.

    python -m benchmarks.leaderboard --crops CROPS --labels labels.csv \
        --values depths.csv --value_column d_over_D --output leaderboard \
        --run polar_harmonics --run "physics latent_dim=64 seed=0" …

Each --run is pretrained:NAME, or an encoder and any parameters of the train step; what an encoder
needs to do well is in `RECOMMENDED`. A run that was trained before (its folder under --output is
finished) is not trained again, and a killed one goes on. --blocks even or odd judges on half of the
spatial blocks, the black or the white fields of a chequerboard: settings are chosen on one half and
reported on the other. With --train_crops encoders are trained on another terrain than the one
they are judged on. Writes leaderboard.csv after each run and prints it; in the end the table
goes to MLflow (`MLFLOW_TRACKING_URI`), as an artifact that the UI shows.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr

from lunar_models.catalogue.labels import labels_for
from lunar_models.config.base import specs
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops, score_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.pretrained import SCHEME
from lunar_models.errors import ConfigError
from lunar_models.evaluation.protocol import Evaluation, evaluate
from lunar_models.training import train
from lunar_models.training.resume import fingerprint
from serving.cli.options import from_text

RECOMMENDED: dict[str, dict[str, Any]] = {
    "physics": {"latent_dim": 64},
    "vicreg": {"latent_dim": 64},
    "swav": {"latent_dim": 64},
    "vit_mae": {"learning_rate": 1e-3, "weight_decay": 0.05, "batch_size": 128},
    "pca": {"latent_dim": 40},
}
AXES = ("longitude", "latitude")
BLOCK_DEG = 4.0
METRICS = {
    "probe/linear_balanced_accuracy": "linear",
    "probe/linear_qwk": "qwk",
    "probe/spearman": "spearman",
    "cluster/kmeans_ari": "ari",
    "probe/lda150_balanced_accuracy": "lda150",
}


def main() -> None:
    """Train, embed and judge each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("crops", "labels", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--train_crops")
    parser.add_argument("--values")
    parser.add_argument("--value_column")
    parser.add_argument("--blocks", choices=["all", "even", "odd"], default="all")
    parser.add_argument("--run", action="append", required=True)
    options = parser.parse_args()
    for run in options.run:  # a mistake is told before hours of training
        if not run.startswith(SCHEME):
            _config(run)
    output = Path(options.output)
    rows = []
    for run in options.run:
        rows.append(_row(run, options, output / run.replace(" ", "_").replace("/", "_")))
        table = pd.DataFrame(rows)
        table.to_csv(output / "leaderboard.csv", index=False, float_format="%.4f")
        print(table.to_string(index=False, float_format="%.3f"), flush=True)
    mlflow.set_experiment("leaderboard")
    mlflow.set_experiment_tag("mlflow.experimentKind", "custom_model_development")
    with mlflow.start_run(run_name="leaderboard"):
        mlflow.log_table(table.round(4), "leaderboard.json")
        mlflow.log_artifact(str(output / "leaderboard.csv"))


def _row(run: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    crop_set = CropSet.open(options.crops)
    minutes, checkpoint = _trained(run, options, folder)
    checkpoint = checkpoint.adapted_to(crop_set)
    started = time.perf_counter()
    embeddings = embed_crops(checkpoint, crop_set.crops)
    speed = len(embeddings) / (time.perf_counter() - started)
    config = EvaluateConfig(
        crops=options.crops,
        encoder_uri=str(folder),
        labels=options.labels,
        values=options.values,
        value_column=options.value_column,
        drop_overlapping=False,  # as the published protocol
        bootstrap=200,
    )
    judged = _judged(crop_set.metadata, options.blocks)
    own = score_crops(checkpoint, crop_set.crops)
    evaluation = evaluate(
        embeddings[judged],
        crop_set.metadata[judged].reset_index(drop=True),
        labels_for(config),
        config,
        context_diameters=crop_set.info.context_diameters,
    )
    return {
        "run": run,
        "blocks": options.blocks,
        "dim": embeddings.shape[1],
        **{short: evaluation.metrics.get(key) for key, short in METRICS.items()},
        "own": None
        if own is None or options.values is None
        else _own_spearman(own[:, 0], evaluation, crop_set),
        "parameters": sum(t.numel() for t in checkpoint.encoder.state_dict().values()),
        "minutes": minutes,
        "crops_per_second": speed,
    }


def _trained(run: str, options: argparse.Namespace, folder: Path) -> tuple[float, Checkpoint]:
    """Minutes of training, none for an encoder of the package, and the encoder."""
    if run.startswith(SCHEME):
        return 0.0, Checkpoint.load(run)
    minutes = _train(run, CropSet.open(options.train_crops or options.crops), folder)
    return minutes, Checkpoint.load(folder / "encoder")


def _own_spearman(
    score: npt.NDArray[np.float32], evaluation: Evaluation, crop_set: CropSet
) -> float:
    """Spearman's correlation of the encoder's own score with the value; no label was used."""
    judged = evaluation.predictions
    by_id = pd.Series(score, index=crop_set.metadata["crater_id"])
    return float(-spearmanr(by_id.reindex(judged["crater_id"]), judged["value"]).statistic)


def _judged(metadata: pd.DataFrame, blocks: str) -> npt.NDArray[np.bool_]:
    """(N,) whether a crater stands on a field that counts."""
    column, row = (np.floor(metadata[f"{name}_deg"] / BLOCK_DEG) for name in AXES)
    odd: npt.NDArray[np.bool_] = ((column + row) % 2 == 1).to_numpy()
    return {"all": np.ones_like(odd), "even": ~odd, "odd": odd}[blocks]


def _train(run: str, crop_set: CropSet, folder: Path) -> float:
    """Minutes of training, also when it was done before with these crops and parameters."""
    clock, config = folder / "minutes.json", _config(run)
    mark = fingerprint(config, crop_set.info.digest, 1)
    done = json.loads(clock.read_text()) if clock.is_file() else {}
    if done.get("fingerprint") == mark:
        return float(done["minutes"])
    started = time.perf_counter()
    result = train(crop_set, config, work_dir=folder)
    result.checkpoint.save(folder / "encoder")
    minutes = (time.perf_counter() - started) / 60
    clock.write_text(json.dumps({"minutes": minutes, "fingerprint": mark}))
    return minutes


def _config(run: str) -> TrainConfig:
    encoder, *settings = run.split()
    known = {spec.name: spec for spec in specs(TrainConfig)}
    given: dict[str, Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in known:
            raise SystemExit(f"--run {run}: train has no parameter {name}.")
        try:
            given[name] = from_text(known[name], text)
        except ConfigError as error:
            raise SystemExit(f"--run {run}: {error}") from error
    try:
        return TrainConfig(crops="", encoder=encoder, **{**RECOMMENDED.get(encoder, {}), **given})  # type: ignore[arg-type]
    except ConfigError as error:
        raise SystemExit(f"--run {run}: {error}") from error


if __name__ == "__main__":
    main()
