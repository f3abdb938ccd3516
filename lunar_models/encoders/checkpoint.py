"""A trained encoder on disk: a folder that needs no outside knowledge to be loaded.

config.json           encoder name and arguments, normalisation, radiometry, context of the crops
weights.safetensors   parameters and buffers
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lunar_models.crops.crop_set import CropSet, Radiometry
from lunar_models.crops.normalisation import Normalisation
from lunar_models.crops.training_domain import TrainingDomain
from lunar_models.encoders.build import Encoder, family_name, find_family
from lunar_models.errors import CheckpointError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """An encoder together with how its crops were made.

    Training and serving both go through it, so they cannot prepare crops differently.
    """

    encoder: Encoder
    normalisation: Normalisation = field(default_factory=Normalisation)
    radiometry: Radiometry = field(default_factory=Radiometry)
    context_diameters: float = 1.5
    highpass_sigma_px: float | None = None
    """Of the high-pass filter of the mosaic that the crops were cut from; None: unfiltered."""
    alignment: str = "side"
    """See `CropSetInfo.alignment`."""
    domain: TrainingDomain = field(default_factory=TrainingDomain)
    """Ranges of the craters of the crop set; empty where it is not known."""

    def __post_init__(self) -> None:
        self.encoder.see_crops(
            normalisation=self.normalisation, context_diameters=self.context_diameters
        )

    @classmethod
    def for_crops(cls, encoder: Encoder, crop_set: CropSet) -> "Checkpoint":
        """Pair an encoder with the way `crop_set` was made."""
        info = crop_set.info
        normalisation = Normalisation(**info.normalisation)
        return cls(
            encoder,
            normalisation,
            info.radiometry,
            info.context_diameters,
            info.preprocess.get("highpass_sigma_px"),
            info.alignment,
            TrainingDomain.of(crop_set.metadata),
        )

    def save(self, folder: str | Path) -> None:
        """Write the folder, made if missing."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "encoder": family_name(self.encoder),
            "arguments": self.encoder.arguments,
            "normalisation": self.normalisation.to_dict(),
            "radiometry": asdict(self.radiometry),
            "context_diameters": self.context_diameters,
            "highpass_sigma_px": self.highpass_sigma_px,
            "alignment": self.alignment,
            "domain": self.domain.ranges,
        }
        weights = {name: t.contiguous().cpu() for name, t in self.encoder.state_dict().items()}
        save_file(weights, folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> "Checkpoint":
        """Read a checkpoint folder; the encoder comes in evaluation mode on the CPU.

        Raises:
            CheckpointError: missing, damaged, or of an unknown encoder.
        """
        folder = Path(folder)
        try:
            config = json.loads((folder / CONFIG_FILE).read_text())
            encoder = _restore(config, folder)
            return cls(
                encoder,
                Normalisation(**config["normalisation"]),
                Radiometry(**config["radiometry"]),
                config["context_diameters"],
                config.get("highpass_sigma_px"),  # not in checkpoints of version 0.1
                config.get("alignment", "side"),
                TrainingDomain.from_ranges(config.get("domain", {})),
            )
        except FileNotFoundError as error:
            raise CheckpointError(f"{folder} is not an encoder checkpoint: {error}.") from error
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(
                f"The encoder checkpoint {folder} is damaged: {error}. Train it again."
            ) from error


def _restore(config: dict[str, Any], folder: Path) -> Encoder:
    encoder = find_family(config["encoder"])(**config["arguments"])
    encoder.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return encoder.eval()
