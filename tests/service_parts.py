"""A small service model of every part."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from helpers import make_crop_set_folder

from lunar_models.clustering import fit_clusters
from lunar_models.config.cluster import ClusterConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.training_domain import TrainingDomain
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.pca import PcaEncoder
from lunar_models.heads.head import Head
from serving.model import bundle as bundles
from serving.model.reference_set import reference_set

SIZE = 32
DIM = 6
STATES = ("1", "2", "3", "4")


@dataclass(frozen=True)
class Parts:
    """Folders of the parts of a service model, and what they were fitted on."""

    crop_set: CropSet
    encoder: Path
    head: Path
    clusters: Path
    neighbours: Path

    def assemble(self, folder: Path) -> Path:
        return bundles.assemble(
            folder,
            encoder=self.encoder,
            head=self.head,
            clusters=self.clusters,
            neighbours=self.neighbours,
            golden=self.crop_set.crops[:4],
        )


def make_parts(folder: Path, seed: int = 0) -> Parts:
    """Fit every part on bowls lit from the east."""
    crop_set = make_crop_set_folder(folder / "crops", n=120, size=SIZE, seed=seed)
    encoder = PcaEncoder(crop_size_px=SIZE, latent_dim=DIM)
    # Tests ask about craters of every size; those of the domain set one of their own.
    checkpoint = replace(Checkpoint.for_crops(encoder, crop_set), domain=TrainingDomain())
    normalised = checkpoint.normalisation(torch.from_numpy(np.array(crop_set.crops)))
    encoder.fit(normalised, torch.Generator().manual_seed(0))
    checkpoint.save(folder / "encoder")
    embeddings = embed_crops(checkpoint, crop_set.crops, device="cpu")
    config = ClusterConfig(crops="", encoder_uri="", n_clusters=3, stability_rounds=0)
    clusters = fit_clusters(embeddings, config)
    clusters.save(folder / "clusters")
    (folder / "head").mkdir()
    _head(embeddings).save(folder / "head" / bundles.HEAD_FILE)
    reference_set(crop_set, embeddings, clusters=clusters).save(folder / "neighbours")
    return Parts(
        crop_set, *(folder / name for name in ("encoder", "head", "clusters", "neighbours"))
    )


def _head(embeddings: np.ndarray) -> Head:
    """States by the first component, which holds the bowls' planted depth."""
    return Head(
        kind="ordinal",
        states=STATES,
        mean=embeddings.mean(0).astype(np.float64),
        scale=embeddings.std(0).astype(np.float64),
        weights=np.eye(DIM, 1) * 3.0,
        offset=np.array([-2.0, 0.0, 2.0]),
        temperature=1.0,
        conformal_threshold=0.1,
        conformal_level=0.9,
        abstain_below=0.4,
    )
