"""Parameters of the inspect step: those of preprocess."""

from lunar_models.config.base import param
from lunar_models.config.preprocess import PreprocessConfig


class InspectConfig(PreprocessConfig):
    """What a mosaic and a catalogue are understood as, with preprocess's parameters."""

    output: str = param(
        "data/inspection", help="Output folder of the report and the picture.", role="output"
    )
    other_catalogue: str | None = param(
        None,
        help="Another catalogue of the same craters: counts those that both hold, and compares "
        "their diameters.",
        role="input",
    )
