"""Define the parameters of the evaluate step."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.config.levels import DEFAULT_LEVELS, check_levels
from lunar_models.errors import ConfigError


class EvaluateConfig(StepConfig):
    """Which labels judge an encoder, and how.

    Raises:
        ConfigError: a value is outside its limits, or two parameters contradict each other.
    """

    crops: str = param(help="Crop set folder made by preprocess.", role="input")
    encoder_uri: str = param(
        help="Encoder: pretrained:NAME, a registered model URI or a checkpoint folder.",
        role="input",
    )
    labels: str | None = param(
        None,
        help="Label table (CSV) or folder of <id>_<state>.png; none evaluates without labels.",
        role="input",
    )
    label_column: str = param(
        "state", help="Column that holds the states, or a value to be cut into states."
    )
    label_order: tuple[str, ...] = param(
        (),
        help="States from freshest to oldest; empty: ascending numbers, or the known "
        "names in order.",
    )
    merge_states: tuple[str, ...] = param(
        (), help="States to merge, such as Fresh=New+Semi-New,Degraded=Semi-Old+Old."
    )
    quantile_states: int | None = param(
        None,
        help="Number of quantile groups to cut label_column into; none: it holds states.",
        minimum=2,
        maximum=10,
    )
    freshest: Literal["highest", "lowest"] = param(
        "highest", help="Which end of the values cut by quantile_states is the freshest."
    )
    values: str | None = param(
        None, help="Table with a continuous measure for the same craters.", role="input"
    )
    value_column: str | None = param(
        None,
        help="Column of the continuous measure (depth/diameter, K/R2, age) for Spearman; "
        "none: the state.",
    )
    value_scale: Literal["log10", "linear"] = param(
        "log10", help="Scale on which the measure is predicted."
    )
    depths: str | None = param(
        None,
        help="Table (CSV) of CRATER_ID and measured depth_over_diameter to compare with predicted "
        "depths.",
        role="input",
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
    block_deg: float | None = param(
        None,
        help="Side length of the spatial blocks held out together; none: 4, less on small maps.",
        unit="deg",
        minimum=0.01,
        maximum=90.0,
    )
    folds: int = param(5, help="Number of spatial folds.", minimum=2, maximum=20)
    drop_overlapping: bool = param(
        True, help="Exclude test crops that overlap a crop of their training folds."
    )
    neighbours: int = param(
        20,
        help="Number of neighbours of the k-NN probe and of the boundary entropy.",
        minimum=1,
        maximum=500,
    )
    bootstrap: int = param(
        1000,
        help="Number of bootstrap replicates, drawn by spatial block.",
        minimum=10,
        maximum=100_000,
    )
    interval: float = param(
        0.95, help="Coverage of the confidence intervals.", minimum=0.5, maximum=0.999
    )
    head_kind: Literal["auto", "lda", "ordinal"] = param(
        "auto", help="Classification head; auto selects the smaller out-of-fold log loss."
    )
    conformal_level: float = param(
        0.9, help="Target coverage of the conformal sets.", minimum=0.5,
        maximum=0.99,
    )  # fmt: skip
    abstain_below: float = param(
        0.5,
        help="Minimum probability of the best state; below it the head abstains.",
        minimum=0.0,
        maximum=1.0,
    )
    band_deg: float = param(
        15.0, help="Width of the longitude bands of the audit.", unit="deg", minimum=1.0,
        maximum=180.0,
    )  # fmt: skip
    audit_limit: int = param(5000, help="Maximum number of craters for the audit.", minimum=100)
    seed: int = param(0, help="Random seed.", minimum=0, maximum=2**31 - 1)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        check_levels(self.interval_levels)
        if self.values is not None and self.value_column is None:
            raise ConfigError("values needs value_column: name the column that holds the measure.")
        if self.quantile_states is not None and (self.label_order or self.merge_states):
            raise ConfigError(
                "quantile_states makes the states itself; leave out label_order and merge_states."
            )
        return self
