"""Assemble a service model of the shipped encoder `craters-48` for `benchmarks.scale`."""

import shutil
from pathlib import Path

import numpy as np

from lunar_models.clustering import fit_clusters
from lunar_models.config.cluster import ClusterConfig
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.pretrained import pretrained_folder
from lunar_models.heads.head import Head
from serving.model import bundle as bundles
from serving.model.seal import BUNDLE_FILE


def write_service_model(folder: Path) -> Path:
    """Assemble the shipped encoder, clusters and a head, unless they are there."""
    if (folder / BUNDLE_FILE).is_file():
        return folder
    encoder = pretrained_folder("pretrained:craters-48")
    checkpoint = Checkpoint.load(encoder)
    parts = folder.with_name(folder.name + ".parts")
    shutil.rmtree(parts, ignore_errors=True)
    side, width = checkpoint.encoder.crop_size_px, checkpoint.encoder.embedding_dim
    crops = np.random.default_rng(0).integers(40, 200, (2000, side, side)).astype(np.uint8)
    embeddings = embed_crops(checkpoint, crops, device="cpu")
    config = ClusterConfig(crops="", encoder_uri="", n_clusters=4, stability_rounds=0)
    fit_clusters(embeddings, config).save(parts / "clusters")
    (parts / "head").mkdir()
    head = Head(
        kind="ordinal",
        states=("1", "2", "3", "4"),
        mean=embeddings.mean(0).astype(np.float64),
        scale=embeddings.std(0).astype(np.float64) + 1e-6,
        weights=np.eye(width, 1),
        offset=np.array([-1.0, 0.0, 1.0]),
        temperature=1.0,
        conformal_threshold=0.1,
        conformal_level=0.9,
        abstain_below=0.4,
    )
    head.save(parts / "head" / bundles.HEAD_FILE)
    given = {name: parts / name for name in ("head", "clusters")}
    return bundles.assemble(folder, encoder=encoder, golden=crops[:4], **given)
