"""Parameters of the train step."""

from dataclasses import dataclass
from typing import Literal

from lunar_models.config.base import StepConfig, param
from lunar_models.errors import ConfigError

EncoderName = Literal["cae", "pca", "polar_harmonics"]
Schedule = Literal["cosine", "plateau", "constant"]
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(StepConfig):
    """What is trained, and how."""

    crops: str = param(help="Crop set folder made by preprocess.", role="input")
    encoder: EncoderName = param("cae", help="Encoder family.")
    latent_dim: int = param(20, help="Length of the embedding.", minimum=1, maximum=4096)
    epochs: int = param(25, help="Most passes over the training split.", minimum=1, maximum=100_000)
    batch_size: int = param(64, help="Crops per optimiser step.", minimum=2, maximum=65_536)
    learning_rate: float = param(
        1e-3, help="Peak learning rate of AdamW.", minimum=1e-8, maximum=10.0
    )
    weight_decay: float = param(1e-5, help="AdamW weight decay.", minimum=0.0, maximum=10.0)
    schedule: Schedule = param("cosine", help="How the learning rate falls after the warm-up.")
    warmup_epochs: float = param(
        0.5, help="Length of the linear warm-up.", unit="epochs", minimum=0.0, maximum=1000.0
    )
    plateau_patience: int = param(
        5, help="Epochs without improvement before the plateau schedule acts.", minimum=0
    )
    plateau_factor: float = param(
        0.5, help="What the plateau schedule multiplies the rate with.", minimum=0.01, maximum=0.99
    )
    learning_rate_floor: float = param(1e-6, help="The schedule never goes below it.", minimum=0.0)
    early_stopping: int = param(
        10, help="Stop after so many epochs without a better validation loss; 0 never.", minimum=0
    )
    gradient_clip: float = param(1.0, help="Largest norm of the gradient; 0 is off.", minimum=0.0)
    augment: bool = param(
        True, help="Flip training crops up-down at random; keeps the Sun in the east."
    )
    seed: int = param(0, help="Seed of every random part.", minimum=0, maximum=2**31 - 1)
    device: Device = param(
        "auto", help="Where to compute; auto takes a GPU if any.", role="runtime"
    )
    registered_model: str | None = param(
        "lunar-encoder", help="Registry name of the encoder; none registers nothing."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_rate_floor >= self.learning_rate:
            raise ConfigError(
                f"learning_rate_floor={self.learning_rate_floor} must lie below "
                f"learning_rate={self.learning_rate}."
            )
