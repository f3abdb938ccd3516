"""Parameters of the promote step."""

from lunar_models.config.base import StepConfig, param


class PromoteConfig(StepConfig):
    """When a challenger becomes champion."""

    service_model: str = param("lunar-craters", help="Registry name of the served model.")
    challenger: str = param("challenger", help="Alias or version number that wants to serve.")
    champion: str = param("champion", help="Alias of the version in service.")
    metric: str = param("probe/linear_qwk", help="Metric in which the challenger must be better.")
    margin: float = param(
        0.0, help="Least gain: the interval of the paired difference must lie above it."
    )
    drop_overlapping: bool = param(
        True, help="Judge only test crops that overlap no crop of their training folds."
    )
    bootstrap: int = param(
        1000, help="Replicates drawn by spatial block.", minimum=10, maximum=100_000
    )
    interval: float = param(0.95, help="Coverage of the interval.", minimum=0.5, maximum=0.999)
    max_latency_ms: float = param(
        200.0, help="Longest time for one crop, 95th percentile.", unit="ms", minimum=0.1
    )
    seed: int = param(0, help="Seed of the bootstrap.", minimum=0, maximum=2**31 - 1)
    rollback: bool = param(False, help="Put the previous champion back instead.")
