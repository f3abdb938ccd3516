"""Define the parameters of the compare step."""

from lunar_models.config.base import StepConfig, param


class CompareConfig(StepConfig):
    """Runs to compare, and how."""

    runs: tuple[str, ...] = param(
        help="Evaluate runs: run ids or names, or registered models as models:/NAME/VERSION."
    )
    reference: str | None = param(
        None, help="Run that the others are compared with; none: the first."
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
        0.95, help="Coverage of the confidence intervals.", minimum=0.5, maximum=0.999
    )
    seed: int = param(0, help="Random seed.", minimum=0, maximum=2**31 - 1)
