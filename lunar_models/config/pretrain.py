"""Define the parameters of the pretrain step."""

from typing import Literal

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.config.train import Device, Precision
from lunar_models.errors import ConfigError

NetworkSize = Literal["small", "large"]
Network = Literal["small", "large", "student"]


class PretrainConfig(StepConfig):
    """How an encoder is trained on simulated craters only."""

    crop_size_px: int = param(48, help="Side length of a crop.", unit="px", minimum=16, maximum=256)
    context_diameters: float = param(
        1.5, help="Side length of a crop in crater diameters.", minimum=1.0, maximum=4.0
    )
    latent_dim: int = param(64, help="Dimension of the embedding.", minimum=2, maximum=4096)
    networks: tuple[Network, ...] = param(
        ("small",),
        help="Networks trained side by side on the same simulated craters, each from other initial "
        "weights: small (for a CPU), large, or student (a small one taught by the large one before "
        "it).",
    )
    steps: int = param(20_000, help="Number of optimiser steps.", minimum=1, maximum=10_000_000)
    batch_size: int = param(
        256,
        help="Number of crops per optimiser step, two of each crater.",
        minimum=4,
        maximum=65_536,
    )
    uses: float = param(
        4.0,
        help="Mean number of optimiser steps that use a crater; 1 suits a GPU.",
        minimum=1.0,
        maximum=1000.0,
    )
    replay: int = param(
        40_000, help="Number of simulated craters kept in memory.", minimum=512, maximum=10_000_000
    )
    learning_rate: float = param(
        2e-3, help="Peak learning rate of AdamW.", minimum=1e-8, maximum=10.0
    )
    weight_decay: float = param(0.02, help="Weight decay of AdamW.", minimum=0.0, maximum=10.0)
    calibration: int = param(
        20_000,
        help="Number of simulated craters that calibrate the intervals; as many more test them.",
        minimum=256,
        maximum=1_000_000,
    )
    seed: int = param(0, help="Random seed.", minimum=0, maximum=2**31 - 1)
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
        "data/pretraining",
        help="Folder for the encoder and for the state from which a killed training resumes.",
        role="output",
    )
    registered_model: str | None = param(
        "lunar-encoder", help="Registry name of the encoder; none does not register it."
    )

    @model_validator(mode="after")
    def _check_networks(self) -> "PretrainConfig":
        if not self.networks:
            raise ConfigError("networks is empty; name at least one of small, large and student.")
        if "student" in self.networks:
            student = self.networks.index("student")
            if "large" not in self.networks[:student]:
                raise ConfigError(
                    f"networks={','.join(self.networks)} has a student without a teacher; name "
                    "large before it."
                )
        return self
