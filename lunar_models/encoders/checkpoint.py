"""Save and load a trained encoder: a folder that needs no outside knowledge to be loaded.

config.json           encoder name and arguments, normalisation, radiometry, context of the crops
weights.safetensors   parameters and buffers
"""

import json
import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lunar_models.config.levels import DEFAULT_LEVELS
from lunar_models.crops.crop_set import READING, CropSet, Radiometry
from lunar_models.crops.normalisation import Normalisation
from lunar_models.crops.training_domain import TrainingDomain
from lunar_models.encoders.adaptation import CropGeometry, as_stored, resampled
from lunar_models.encoders.build import Encoder, family_name, find_family
from lunar_models.encoders.pretrained import SCHEME, pretrained_folder
from lunar_models.errors import DAMAGES, CheckpointError, ConfigError
from lunar_models.heads.physical import DepthCorrection
from lunar_models.rendering.photography import contrast_scale

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
EXCHANGED_WEIGHTS_FILE = "model.safetensors"
"""Name of the weights in the layout of Hugging Face, see `interchange.hugging_face`."""
_CONTRAST_CROPS = 4096
"""From which the contrast of a crop set is taken."""
_LIGHT_CROPS = 1024
"""From which the light of a crop set is taken."""
_FEW_CROPS = 50
"""Below which they tell little of the mosaic."""
_log = logging.getLogger(__name__)


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
    interval_levels: tuple[float, ...] = DEFAULT_LEVELS
    """Of the intervals of physical quantities that a served model tells."""
    reading: dict[str, Any] = field(default_factory=dict)
    """How the mosaic of the crop set was read: those of band, crs and shade that were given."""
    stored: CropGeometry | None = None
    """Of the stored crops, where they differ from those that the encoder takes."""

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
            reading=reading_of(info.preprocess),
        )

    def adapted_to(self, crop_set: CropSet) -> "Checkpoint":
        """Return this encoder for the crops of `crop_set`, which may be larger than those it takes.

        Only a family that says so (`Encoder.adapts`) changes: it takes the crop set's contrast,
        light and radiometry, and crops are cut and resampled for it. Others come back as they are.

        Raises:
            ConfigError: the crops show too little ground, or their mosaic was high-passed.
        """
        if not self.encoder.adapts:
            return self
        info = crop_set.info
        if info.preprocess.get("highpass_sigma_px") is not None:
            raise ConfigError(
                f"encoder={self.encoder.name} needs brightness relative to its mean, which a "
                "high-pass filter removes; run preprocess without highpass_sigma_px."
            )
        given = CropGeometry(info.crop_size_px, info.context_diameters)
        given.check_covers(self.geometry)
        if len(crop_set) < _FEW_CROPS:
            _log.warning(
                "%d crops tell little of the contrast and the light of their mosaic, by which "
                "encoder=%s judges depths; give some hundred craters of one mosaic.",
                len(crop_set),
                self.encoder.name,
            )
        adapted = replace(
            self,
            encoder=deepcopy(self.encoder),
            normalisation=_brightness_of(crop_set, with_level=self.encoder.sees_brightness),
            radiometry=info.radiometry,
            alignment=info.alignment,
            reading=reading_of(info.preprocess),
            stored=None if given == self.geometry else given,
        )
        adapted.encoder.see_mosaic(adapted.prepare(_sample(crop_set, _LIGHT_CROPS)))
        return adapted

    def calibrated(self, correction: DepthCorrection) -> "Checkpoint":
        """Return this encoder with corrected depths, see `Encoder.correct_depth`.

        Raises:
            ConfigError: the encoder predicts no depth.
        """
        encoder = deepcopy(self.encoder)
        encoder.correct_depth(correction)
        return replace(self, encoder=encoder)

    @property
    def geometry(self) -> CropGeometry:
        """Of the crops that the encoder takes."""
        return CropGeometry(self.encoder.crop_size_px, self.context_diameters)

    def prepare(self, stored: torch.Tensor) -> torch.Tensor:
        """Cut, resample and normalise (B, S', S') uint8 stored crops to (B, 1, S, S) float32."""
        if self.stored is not None:
            stored = resampled(stored, self.stored, self.geometry)
        return self.normalisation(stored)

    def cut(self, stored: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Cut (N, S', S') stored crops to (N, S, S) uint8 as the encoder takes them."""
        if self.stored is None:
            return stored
        crops = resampled(torch.from_numpy(np.array(stored)), self.stored, self.geometry)
        return as_stored(crops).numpy()

    def save(self, folder: str | Path, *, weights_file: str = WEIGHTS_FILE) -> None:
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
            "interval_levels": self.interval_levels,
            "reading": self.reading,
        }
        weights = {name: t.contiguous().cpu() for name, t in self.encoder.state_dict().items()}
        save_file(weights, folder / weights_file)
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> "Checkpoint":
        """Read a checkpoint folder; the encoder comes in evaluation mode on the CPU.

        Args:
            folder: a path, or ``pretrained:NAME`` for an encoder that comes with the package.

        Raises:
            CheckpointError: missing, damaged, or of an unknown encoder.
        """
        packaged = str(folder).startswith(SCHEME)
        folder = pretrained_folder(str(folder)) if packaged else Path(folder)
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
                tuple(config.get("interval_levels", DEFAULT_LEVELS)),
                dict(config.get("reading", {})),
            )
        except FileNotFoundError as error:
            raise CheckpointError(f"{folder} is not an encoder checkpoint: {error}.") from error
        except (*DAMAGES, SafetensorError) as error:
            raise CheckpointError(
                f"The encoder checkpoint {folder} is damaged: {error}. Train it again."
            ) from error


def reading_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return which of band, crs and shade are set in parameters of preprocess or of a server."""
    return {name: parameters[name] for name in READING if parameters.get(name) is not None}


def _sample(crop_set: CropSet, count: int) -> torch.Tensor:
    """(n, S', S') uint8, stored crops spread over the crop set, `count` at most."""
    spread = np.linspace(0, len(crop_set) - 1, min(len(crop_set), count))
    return torch.from_numpy(crop_set.crops[spread.astype(np.int64)])


def _brightness_of(crop_set: CropSet, *, with_level: bool) -> Normalisation:
    """The ratio normalisation of a crop set, with its contrast as in the simulation."""
    black_level = crop_set.info.radiometry.black_level
    sample = _sample(crop_set, _CONTRAST_CROPS).float() + black_level
    one = torch.zeros(len(sample), dtype=torch.int64)
    contrast = float(contrast_scale(sample, one, 1)[0])
    level = max(float(sample.mean((1, 2)).median()), 1.0) if with_level else None
    return Normalisation("ratio", black_level, clip=contrast, level=level)


def _restore(config: dict[str, Any], folder: Path) -> Encoder:
    encoder = find_family(config["encoder"])(**config["arguments"])
    exchanged = folder / EXCHANGED_WEIGHTS_FILE
    weights = exchanged if exchanged.is_file() else folder / WEIGHTS_FILE
    encoder.load_state_dict(load_file(weights))
    return encoder.eval()
