"""Define the parameters of the sweep step."""

from typing import Literal

from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.classify import Engine, WorkConfig

_WORK = {spec.name: spec for spec in specs(WorkConfig)}


class SweepConfig(StepConfig):
    """Search space over the parameters of train, and how the best is chosen."""

    crops: str = param(help="Crop set folder made by preprocess.", role="input")
    space: str = param(
        help="Search space, such as encoder=cae|pca;latent_dim=6|20|40;learning_rate=1e-4..1e-2. "
        "A range is searched on a logarithmic scale where it starts above 0."
    )
    method: Literal["grid", "tpe"] = param(
        "grid", help="grid tries every combination of listed values; tpe searches with Optuna."
    )
    trials: int = param(20, help="Maximum number of trainings.", minimum=1, maximum=10_000)
    metric: str = param("best/validation_loss", help="Metric of train to optimise.")
    direction: Literal["minimize", "maximize"] = param(
        "minimize", help="Direction of the optimisation."
    )
    epochs: int = param(25, help="Number of epochs of each training.", minimum=1, maximum=100_000)
    seed: int = param(0, help="Random seed of the search and of each training.", minimum=0)
    engine: Engine = _WORK["engine"].declare("local")
    address: str = _WORK["address"].declare("auto")
    workers: int = param(
        1,
        help="Number of trainings at once; on this machine each gets its share of the cores, "
        "on Ray one CPU or one GPU.",
        minimum=1,
        maximum=4096,
        role="runtime",
    )
