"""Define the parameters of the train step."""

import difflib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, model_validator

from lunar_models.config.base import ParamSpec, StepConfig, param, specs
from lunar_models.errors import ConfigError

ENCODER_FAMILIES = (
    "cae",
    "pca",
    "polar_harmonics",
    "vicreg",
    "swav",
    "physics",
    "vit_mae",
    "backbone",
    "ensemble",
)
ENCODER_GROUP = "lunar_models.encoders"
"""Entry-point group under which other packages offer encoder families."""

Schedule = Literal["cosine", "plateau", "constant"]
Trainable = Literal["all", "middle+late", "late", "decoder", "none"]
ModelSize = Literal["tiny", "small", "base"]
Pooling = Literal["cls", "mean"]
Precision = Literal["auto", "bf16", "fp32"]
Device = Literal["auto", "cpu", "cuda", "mps"]


def _offered(encoder: str) -> str:
    """Check that a name is a family's or may be a class's."""
    offered = {*ENCODER_FAMILIES, *(entry.name for entry in entry_points(group=ENCODER_GROUP))}
    if encoder not in offered and ":" not in encoder:
        close = difflib.get_close_matches(encoder, offered, n=1)
        raise ConfigError(
            f"encoder={encoder!r} is not one of {', '.join(sorted(offered))}"
            f"{f'; did you mean {close[0]}?' if close else '.'} "
            "An encoder of your own is given as PACKAGE.MODULE:CLASS."
        )
    return encoder


EncoderName = Annotated[str, AfterValidator(_offered)]


class TrainConfig(StepConfig):
    """The encoder, its training data and its optimisation."""

    crops: str = param(help="Crop set folder made by preprocess.", role="input")
    encoder: EncoderName = param(
        "cae",
        help=f"Encoder family: {', '.join(ENCODER_FAMILIES)}; or a class of your own as "
        "PACKAGE.MODULE:CLASS.",
    )
    latent_dim: int = param(20, help="Dimension of the embedding.", minimum=1, maximum=4096)
    epochs: int = param(
        25, help="Maximum number of passes over the training split.", minimum=1, maximum=100_000
    )
    batch_size: int = param(
        256, help="Number of crops per optimiser step.", minimum=2, maximum=65_536
    )
    learning_rate: float = param(
        2e-3, help="Peak learning rate of AdamW.", minimum=1e-8, maximum=10.0
    )
    weight_decay: float = param(0.02, help="Weight decay of AdamW.", minimum=0.0, maximum=10.0)
    schedule: Schedule = param("cosine", help="Learning-rate schedule after the warm-up.")
    warmup_epochs: float = param(
        3.0,
        help="Length of the linear warm-up; at most a quarter of the training.",
        unit="epochs",
        minimum=0.0,
        maximum=1000.0,
    )
    plateau_patience: int = param(
        5,
        help="Epochs without improvement before the plateau schedule reduces the learning rate.",
        minimum=0,
    )
    plateau_factor: float = param(
        0.5,
        help="Factor by which the plateau schedule multiplies the learning rate.",
        minimum=0.01,
        maximum=0.99,
    )
    learning_rate_floor: float = param(
        1e-6, help="Minimum learning rate of the schedule.", minimum=0.0
    )
    early_stopping: int = param(
        0,
        help="Stop after this many epochs without a lower validation loss; 0 disables it.",
        minimum=0,
    )
    gradient_clip: float = param(
        5.0, help="Maximum norm of the gradient; 0 disables clipping.", minimum=0.0
    )
    augment: bool = param(
        True, help="Flip training crops up-down at random, which keeps the Sun in the east."
    )
    seed: int = param(0, help="Random seed.", minimum=0, maximum=2**31 - 1)
    pretrained: str | None = param(
        None,
        help="Hub id or local folder of pretrained weights (vit_mae, backbone); none "
        "trains from scratch.",
        role="input",
    )
    trainable: Trainable = param(
        "all",
        help="Thirds of a transformer that are trained, by depth; its decoder is trained "
        "unless none.",
    )
    layer_decay: float = param(
        1.0,
        help="Factor between the learning rates of a block and of the block above it.",
        minimum=0.1,
        maximum=1.0,
    )
    mask_ratio: float = param(
        0.75, help="Fraction of the patches that vit_mae masks.", minimum=0.01, maximum=0.99
    )
    patch_size_px: int = param(
        8, help="Patch size of a vit_mae trained from scratch.", unit="px", minimum=1, maximum=64
    )
    model_size: ModelSize = param("tiny", help="Model size of a vit_mae trained from scratch.")
    pooling: Pooling = param(
        "mean", help="Pooling of vit_mae's embedding: class token or mean of the patches."
    )
    reconstruction_weight: float = param(
        0.0,
        help="Weight of a reconstruction loss added to the loss of vicreg.",
        minimum=0.0,
        maximum=1e3,
    )
    prototypes: int = param(64, help="Number of prototypes of swav.", minimum=2, maximum=65_536)
    members: tuple[str, ...] = param(
        ("polar_harmonics",),
        help="Members of an ensemble: encoder URIs, checkpoint folders, pca or polar_harmonics.",
        role="input",
    )
    precision: Precision = param(
        "auto",
        help="Compute precision of training; auto selects bf16 where the processor supports it.",
    )
    device: Device = param(
        "auto", help="Compute device; auto selects a GPU if there is one.", role="runtime"
    )
    threads: int | None = param(
        None,
        help="Number of CPU threads of the training; none: one per core that other programs leave "
        "free, followed as they come and go. Another number changes the last bits of the weights.",
        minimum=1,
        maximum=1024,
        role="runtime",
    )
    compiled: bool = param(
        True,
        help="On a GPU, record the gradient step as a CUDA graph and compile the blocks of "
        "transformers; false computes operation by operation.",
        role="runtime",
    )
    output: str = param(
        "data/training",
        help="Folder for the state of unfinished trainings, from which a killed one resumes.",
        role="output",
    )
    registered_model: str | None = param(
        "lunar-encoder", help="Registry name of the encoder; none does not register it."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.learning_rate_floor >= self.learning_rate:
            raise ConfigError(
                f"learning_rate_floor={self.learning_rate_floor} must lie below "
                f"learning_rate={self.learning_rate}."
            )
        return self


def deciding_specs() -> tuple[ParamSpec, ...]:
    """Return the parameters that decide what a training makes of its crops."""
    return tuple(
        spec
        for spec in specs(TrainConfig)
        if spec.role in ("setting", "input") and spec.name != "crops"
    )


def encoder_label(config: Any) -> str:
    """Return an encoder in a few letters, for the names of runs: its family and what sizes it.

    Args:
        config: `TrainConfig`, or a config that has its parameters.
    """
    match config.encoder:
        case "polar_harmonics":
            return str(config.encoder)
        case "vit_mae" | "backbone" if config.pretrained is not None:
            size = Path(config.pretrained).name
        case "vit_mae":
            size = f"{config.model_size}-p{config.patch_size_px}"
        case "ensemble":
            size = f"of-{len(config.members)}"
        case _:
            size = f"d{config.latent_dim}"
    return f"{config.encoder.rpartition(':')[2]}-{size}"
