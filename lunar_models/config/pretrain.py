"""Parameters of the pretrain step."""

from lunar_models.config.base import StepConfig, param
from lunar_models.config.train import Device, Precision


class PretrainConfig(StepConfig):
    """How an encoder is trained on simulated craters only."""

    crop_size_px: int = param(48, help="Side of a crop.", unit="px", minimum=16, maximum=256)
    context_diameters: float = param(
        1.5, help="Side of a crop in crater diameters.", minimum=1.0, maximum=4.0
    )
    latent_dim: int = param(64, help="Length of the embedding.", minimum=2, maximum=4096)
    steps: int = param(20_000, help="Gradient steps.", minimum=1, maximum=10_000_000)
    batch_size: int = param(
        256, help="Crops per step, two of each crater.", minimum=4, maximum=65_536
    )
    uses: float = param(
        4.0,
        help="Steps that each simulated crater serves; 1 suits a GPU, where simulation is fast.",
        minimum=1.0,
        maximum=1000.0,
    )
    replay: int = param(
        40_000, help="Simulated craters kept in memory.", minimum=512, maximum=10_000_000
    )
    learning_rate: float = param(
        2e-3, help="Peak learning rate of AdamW.", minimum=1e-8, maximum=10.0
    )
    weight_decay: float = param(0.02, help="AdamW weight decay.", minimum=0.0, maximum=10.0)
    calibration: int = param(
        20_000,
        help="Simulated craters that the intervals are calibrated on; as many test them.",
        minimum=256,
        maximum=1_000_000,
    )
    seed: int = param(0, help="Seed of every random part.", minimum=0, maximum=2**31 - 1)
    precision: Precision = param(
        "auto", help="Arithmetic of training; auto is bf16 where the processor has it."
    )
    device: Device = param(
        "auto", help="Where to simulate and train; auto takes a GPU if any.", role="runtime"
    )
    output: str = param(
        "data/pretraining",
        help="Folder of the state and of the encoder; a training that was killed resumes there.",
        role="output",
    )
    registered_model: str | None = param(
        "lunar-encoder", help="Registry name of the encoder; none registers nothing."
    )
