"""Define the parameters of the agreement step, and of reading votes."""

from typing import Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.config.databases import refuse_password
from lunar_models.errors import ConfigError


class VotesConfig(StepConfig):
    """Which votes are read, and how agreement is resampled.

    Raises:
        ConfigError: a value is outside its limits, or the URL of the store has a password.
    """

    votes: str = param(
        help="Votes: a label store (SQLite file, or URL without password), or a table (Parquet or "
        "CSV) of crater_id, labeller, value and kind.",
        role="input",
    )
    scheme: str | None = param(
        None, help="Name of the labelling scheme, where the store holds votes of several."
    )
    label_order: tuple[str, ...] = param(
        (),
        help="States from freshest to oldest; empty: those of the store's scheme, or New, "
        "Semi-New, Semi-Old, Old.",
    )
    bootstrap: int = param(
        1000, help="Number of bootstrap replicates.", minimum=10, maximum=100_000
    )
    interval: float = param(
        0.95, help="Coverage of the confidence intervals.", minimum=0.5, maximum=0.999
    )
    block_deg: float | None = param(
        None,
        help="Side length of the spatial blocks held out together; none: 4, less on small maps.",
        unit="deg",
        minimum=0.01,
        maximum=90.0,
    )
    folds: int = param(5, help="Number of spatial folds.", minimum=2, maximum=20)
    seed: int = param(0, help="Random seed.", minimum=0, maximum=2**31 - 1)

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        refuse_password("votes", self.votes)
        return self


class AgreementConfig(VotesConfig):
    """Whose labels are compared, and which model judges them, if one does.

    Raises:
        ConfigError: as `VotesConfig`, or only one of crops and encoder_uri is given.
    """

    crops: str | None = param(
        None,
        help="Crop set of the labelled craters; with an encoder it finds suspicious labels and the "
        "learning curve.",
        role="input",
    )
    encoder_uri: str | None = param(
        None,
        help="Encoder: pretrained:NAME, a registered model URI or a checkpoint folder.",
        role="input",
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.crops is None) != (self.encoder_uri is None):
            raise ConfigError("crops and encoder_uri go together: give both, or neither.")
        return self
