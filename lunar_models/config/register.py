"""Parameters of the register step."""

from typing import Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.config.levels import DEFAULT_LEVELS, check_levels


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
    calibrate: str | None = param(
        None,
        help="Table (CSV) of CRATER_ID and measured depth_over_diameter, at least 20 of these "
        "craters, that corrects predicted depths.",
        role="input",
    )
    interval_levels: tuple[float, ...] = param(
        DEFAULT_LEVELS, help="Levels of the intervals of physical quantities, above 0 up to 0.99."
    )
    service_model: str = param("lunar-craters", help="Registry name of the served model.")
    alias: str | None = param(
        "champion",
        help="Alias that the new version gets; challenger if another version has it already.",
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        check_levels(self.interval_levels)
        return self
