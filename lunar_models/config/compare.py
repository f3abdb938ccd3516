"""Parameters of the compare step."""

from lunar_models.config.base import StepConfig, param


class CompareConfig(StepConfig):
    """Which evaluations are set side by side."""

    runs: tuple[str, ...] = param(
        help="Evaluate runs: run ids or names, or registered models as models:/NAME/VERSION."
    )
    reference: str | None = param(None, help="The one the others are compared with; none: first.")
    drop_overlapping: bool = param(
        True, help="Judge only test crops that overlap no crop of their training folds."
    )
    bootstrap: int = param(
        1000, help="Replicates drawn by spatial block.", minimum=10, maximum=100_000
    )
    interval: float = param(0.95, help="Coverage of the intervals.", minimum=0.5, maximum=0.999)
    seed: int = param(0, help="Seed of every random choice.", minimum=0, maximum=2**31 - 1)
