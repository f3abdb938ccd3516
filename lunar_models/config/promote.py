"""Define the parameters of the promote step."""

from lunar_models.config.base import StepConfig, param


class PromoteConfig(StepConfig):
    """Conditions under which a challenger becomes champion."""

    service_model: str = param("lunar-craters", help="Registry name of the served model.")
    challenger: str = param("challenger", help="Alias or version number of the candidate.")
    champion: str = param("champion", help="Alias of the version in service.")
    metric: str = param("probe/linear_qwk", help="Metric in which the challenger must be better.")
    margin: float = param(
        0.0,
        help="Minimum gain: the confidence interval of the paired difference must lie above it.",
    )
    drop_overlapping: bool = param(
        True, help="Exclude test crops that overlap a crop of their training folds."
    )
    bootstrap: int = param(
        1000,
        help="Number of bootstrap replicates, drawn by spatial block.",
        minimum=10,
        maximum=100_000,
    )
    interval: float = param(
        0.95, help="Coverage of the confidence interval.", minimum=0.5, maximum=0.999
    )
    max_latency_ms: float = param(
        200.0, help="Maximum 95th percentile of the latency of one crop.", unit="ms", minimum=0.1
    )
    seed: int = param(0, help="Random seed of the bootstrap.", minimum=0, maximum=2**31 - 1)
    rollback: bool = param(False, help="Restore the previous champion instead.")
