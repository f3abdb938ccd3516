"""Register a small model with every part, for `benchmarks.serving`."""

from pathlib import Path

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from lunar_models.clustering import fit_clusters
from lunar_models.config.cluster import ClusterConfig
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.cae import ConvolutionalAutoencoder
from lunar_models.heads.head import Head
from lunar_models.neighbours import NeighbourIndex
from serving.model.bundle import HEAD_FILE
from steps.shared.registry import log_service_model

SIZE, DIM, REFERENCE = 64, 20, 5000


def make_crops(n: int) -> npt.NDArray[np.uint8]:
    """Draw (n, 64, 64) uint8 bowls of random depth on rough ground."""
    rng = np.random.default_rng(0)
    row, column = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE * 3 - 1.5
    bowl = -column * (np.hypot(row, column) < 1)
    ground = rng.normal(0, 6, (n, SIZE, SIZE))
    values = 110 + rng.uniform(5, 80, (n, 1, 1)) * bowl + ground
    return np.clip(values, 0, 255).astype(np.uint8)


def register_model(folder: Path) -> str:
    """Log a small CAE with every part; returns its URI."""
    torch.manual_seed(0)
    checkpoint = Checkpoint(ConvolutionalAutoencoder(crop_size_px=SIZE, latent_dim=DIM))
    checkpoint.save(folder / "encoder")
    crops = make_crops(REFERENCE)
    write_parts(folder, embed_crops(checkpoint, crops))
    return log_parts(folder, crops)


def write_parts(folder: Path, embeddings: npt.NDArray[np.float32]) -> None:
    """Write clusters, reference craters and a head for (N, D) embeddings."""
    config = ClusterConfig(crops="", encoder_uri="", n_clusters=8, stability_rounds=0)
    clusters = fit_clusters(embeddings, config)
    clusters.save(folder / "clusters")
    assigned = clusters.assign(embeddings)
    rng = np.random.default_rng(1)
    craters = pd.DataFrame(
        {
            "crater_id": [f"00-1-{i:06d}" for i in range(REFERENCE)],
            "longitude_deg": rng.uniform(-180, 180, REFERENCE),
            "latitude_deg": rng.uniform(-60, 60, REFERENCE),
            "diameter_km": rng.uniform(1, 10, REFERENCE),
            "cluster_id": assigned.cluster_id,
            "cluster_distance": assigned.distance,
        }
    )
    NeighbourIndex.build(embeddings, craters).save(folder / "neighbours")
    (folder / "head").mkdir()
    Head(
        kind="lda",
        states=("1", "2", "3", "4"),
        mean=embeddings.mean(0).astype(np.float64),
        scale=embeddings.std(0).astype(np.float64) + 1e-6,
        weights=rng.normal(size=(DIM, 4)),
        offset=np.zeros(4),
        temperature=1.0,
        conformal_threshold=0.1,
        conformal_level=0.9,
        abstain_below=0.4,
    ).save(folder / "head" / HEAD_FILE)


def log_parts(folder: Path, crops: npt.NDArray[np.uint8]) -> str:
    """Log and register the parts in a folder; returns the model's URI."""
    mlflow.create_experiment("benchmark", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("benchmark")
    with mlflow.start_run():
        log_service_model(
            encoder=folder / "encoder",
            head=folder / "head",
            clusters=folder / "clusters",
            neighbours=folder / "neighbours",
            golden_crops=crops[:8],
            registered_model="benchmark",
            tags={},
            description="For a benchmark.",
        )
    mlflow.MlflowClient().set_registered_model_alias("benchmark", "champion", "1")
    return "models:/benchmark@champion"
