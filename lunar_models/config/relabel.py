"""Define the parameters of the relabel step."""

from typing import Literal

from lunar_models.config.agreement import VotesConfig
from lunar_models.config.base import param


class RelabelConfig(VotesConfig):
    """Which labels the head learns, and what it is registered with.

    Raises:
        ConfigError: as `VotesConfig`.
    """

    crops: str = param(help="Crop set of the labelled craters.", role="input")
    encoder_uri: str = param(
        help="Encoder: pretrained:NAME, a registered model URI or a checkpoint folder.",
        role="input",
    )
    clusters: str | None = param(
        None, help="Cluster model fitted by cluster: a folder or URI.", role="input"
    )
    neighbours: int = param(20, help="Number of neighbours of the k-NN probe.", minimum=1,
                            maximum=500)  # fmt: skip
    head_kind: Literal["auto", "lda", "ordinal"] = param(
        "auto", help="Classification head; auto selects the smaller out-of-fold log loss."
    )
    conformal_level: float = param(
        0.9, help="Target coverage of the conformal sets.", minimum=0.5, maximum=0.99
    )
    abstain_below: float = param(
        0.5,
        help="Minimum probability of the best state; below it the head abstains.",
        minimum=0.0,
        maximum=1.0,
    )
    service_model: str = param("lunar-craters", help="Registry name of the served model.")
    champion: str = param(
        "champion", help="Alias of the version in service, on whose evaluation set the head is "
        "judged.",
    )  # fmt: skip
