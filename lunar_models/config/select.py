"""Define the parameters of the select step: which craters to label next."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.agreement import VotesConfig
from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.databases import refuse_password

_VOTES = {spec.name: spec for spec in specs(VotesConfig)}

Strategy = Literal[
    "auto", "design", "weighted", "typical", "covering", "uncertain", "margin", "random"
]


class SelectConfig(StepConfig):
    """The craters to choose from, the labels so far, and how to choose.

    Raises:
        ConfigError: a value is outside its limits, or the URL of the store has a password.
    """

    crops: str = param(help="Crop set whose craters are to be labelled.", role="input")
    encoder_uri: str = param(
        help="Encoder: pretrained:NAME, a registered model URI or a checkpoint folder.",
        role="input",
    )
    votes: str | None = param(
        None,
        help="Votes so far: a label store (SQLite file, or URL without password), or a table; none "
        "yet at the beginning.",
        role="input",
    )
    scheme: str | None = _VOTES["scheme"].declare(None)
    label_order: tuple[str, ...] = _VOTES["label_order"].declare(())
    without: tuple[str, ...] = param(
        (),
        help="Label tables whose craters are never asked about, such as gold and reference.",
        role="input",
    )
    count: int = param(50, help="Number of craters to select.", minimum=1, maximum=100_000)
    method: Strategy = param(
        "auto",
        help="Query strategy; auto is design up to 30 labels and while they are of one state, "
        "then weighted. weighted, uncertain and margin need labels of two states at least.",
    )
    bins: int = param(
        2,
        help="Number of groups each of diameter, latitude, brightness and illumination, from all "
        "of which craters are drawn in proportion; 1 does not stratify.",
        minimum=1,
        maximum=5,
    )
    output: str = param(
        "data/next.csv", help="CSV of the order, as lunar-label takes it.", role="output"
    )
    seed: int = param(0, help="Random seed.", minimum=0, maximum=2**31 - 1)

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        refuse_password("votes", self.votes)
        return self
