"""Parameters of the register step."""

from lunar_models.config.base import StepConfig, param


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
    service_model: str = param("lunar-craters", help="Registry name of the served model.")
    alias: str | None = param(
        "champion",
        help="Alias that the new version gets; challenger if another version has it already.",
    )
