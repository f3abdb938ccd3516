"""Save and load the state from which a training resumes: one file, replaced after each epoch.

There is no state of random generators in it, because each epoch seeds its own from the seed and
its number.
"""

import dataclasses
import hashlib
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lunar_models.config.train import TrainConfig, deciding_specs
from lunar_models.errors import DAMAGES, CheckpointError, ConfigError

RESUME_FILE = "resume.pt"


@dataclass
class TrainingState:
    """The state of a training after a whole number of epochs."""

    fingerprint: str
    """Digest of parameters and crops; a training resumes only where it is equal."""
    history: list[dict[str, float]]
    best_epoch: int
    best: dict[str, Tensor]
    """Weights of the best epoch."""
    last: dict[str, Tensor]
    optimiser: dict[str, Any]
    schedule: dict[str, float]

    def save(self, folder: Path) -> None:
        """Write `RESUME_FILE` atomically: an interruption leaves the former one."""
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{RESUME_FILE}.part"
        torch.save({f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, unfinished)
        os.replace(unfinished, folder / RESUME_FILE)

    @classmethod
    def load(cls, folder: Path, fingerprint: str) -> "TrainingState | None":
        """Load the state in `folder`; None if no training has begun there.

        Raises:
            CheckpointError: the file is damaged.
            ConfigError: it belongs to a training with other parameters or crops.
        """
        file = folder / RESUME_FILE
        if not file.is_file():
            return None
        try:
            state = cls(**torch.load(file, weights_only=True, map_location="cpu"))
        except (*DAMAGES, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{file} is damaged ({error}); delete it to train from the start."
            ) from error
        if state.fingerprint != fingerprint:
            raise ConfigError(
                f"{file} belongs to a training with other parameters or crops; "
                "use another folder, or delete it."
            )
        return state


def fingerprint(config: TrainConfig, crops_digest: str, world: int) -> str:
    """Hash everything that determines the learning curve."""
    settings = {spec.name: getattr(config, spec.name) for spec in deciding_specs()}
    text = json.dumps([settings, crops_digest, world], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
