"""Define the parameters of the export step."""

from lunar_models.config.base import StepConfig, param


class ExportConfig(StepConfig):
    """How an encoder is written for other programs."""

    encoder_uri: str = param(
        help="Encoder: pretrained:NAME, models:/… or runs:/… URI, or checkpoint folder.",
        role="input",
    )
    onnx: bool = param(True, help="Write ONNX too, checked by ONNX Runtime.")
    output: str = param(
        "data/export",
        help="Folder to write: model.safetensors, config.json, preprocessor_config.json, "
        "README.md, model.onnx.",
        role="output",
    )
