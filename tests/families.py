"""Train every family briefly, alone or as one of the processes of a launcher.

python families.py <crop set> <folder for what each process saw> <settings of each family, JSON>
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.joint_batch import rank, world
from lunar_models.training import train, trainer

BATCH_SIZE = 16
"""Of all processes together."""
VALIDATION_BATCH = 4
"""Small, so that each process has one."""


def gradient_norm(encoder: torch.nn.Module) -> float:
    """Of the last step, as the optimiser saw it."""
    gradients = [p.grad.flatten() for p in encoder.parameters() if p.grad is not None]
    return torch.cat(gradients).norm().item()


def train_families(path: str | Path, families: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each family comes to in two epochs of two steps: nothing that rounding could amplify."""
    crop_set = CropSet.open(path)
    crops = torch.from_numpy(crop_set.crops[:5].astype("float32"))[:, None] / 128 - 1
    found = []
    for settings in families:
        config = TrainConfig(
            crops="",
            latent_dim=4,
            epochs=2,
            batch_size=BATCH_SIZE // world(),
            learning_rate=1e-4,
            gradient_clip=0.0,
            warmup_epochs=0.0,
            device="cpu",
            precision="fp32",
            **settings,
        )
        epochs: list[dict[str, float]] = []
        result = train(
            crop_set, config, on_epoch=lambda _, metrics, __, epochs=epochs: epochs.append(metrics)
        )
        encoder = result.checkpoint.encoder
        found.append(
            {
                "epochs": epochs,
                "gradient": gradient_norm(encoder),
                "embeddings": encoder.embed(crops).flatten().tolist(),
            }
        )
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer.VALIDATION_BATCH = VALIDATION_BATCH
    seen = train_families(sys.argv[1], json.loads(sys.argv[3]))
    Path(sys.argv[2], f"{rank()}.json").write_text(json.dumps(seen))
