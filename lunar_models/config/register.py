"""Define the parameters of the register step."""

from typing import Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.config.levels import DEFAULT_LEVELS, check_levels

_EVALUATE = {spec.name: spec for spec in specs(EvaluateConfig)}


class RegisterConfig(StepConfig):
    """What goes into the served model, and under which name."""

    encoder_uri: str = param(
        help="Encoder: pretrained:NAME, a models:/ or runs:/ URI or a checkpoint folder.",
        role="input",
    )
    crops: str = param(
        help="Crop set that the served model searches for similar craters.",
        role="input",
    )
    head: str | None = param(
        None, help="Classification head fitted by evaluate: a folder or URI.", role="input"
    )
    clusters: str | None = param(
        None, help="Cluster model fitted by cluster: a folder or URI.", role="input"
    )
    calibrate: str | None = _EVALUATE["calibrate"].declare(None)
    interval_levels: tuple[float, ...] = _EVALUATE["interval_levels"].declare(DEFAULT_LEVELS)
    service_model: str = param("lunar-craters", help="Registry name of the served model.")
    alias: str | None = param(
        "champion",
        help="Alias that the new version gets; challenger if another version has it already.",
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        check_levels(self.interval_levels)
        return self
