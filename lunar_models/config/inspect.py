"""Define the parameters of the inspect step: those of preprocess."""

from lunar_models.config.base import param
from lunar_models.config.preprocess import PreprocessConfig


class InspectConfig(PreprocessConfig):
    """Which mosaic and catalogue are inspected, with the parameters of preprocess."""

    output: str = param(
        "data/inspection", help="Output folder of the report and the picture.", role="output"
    )
    other_catalogue: str | None = param(
        None,
        help="Another catalogue of the same craters: counts those that both hold, and compares "
        "their diameters.",
        role="input",
    )
