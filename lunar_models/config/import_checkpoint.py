"""Define the parameters of the import_checkpoint step."""

from lunar_models.config.base import StepConfig, param


class ImportCheckpointConfig(StepConfig):
    """The autoencoder of the original pipeline to import."""

    file: str = param(
        help="State dict written by torch.save, such as autoencoder.pth.", role="input"
    )
    crops: str = param(
        help="Crop set with the crop size that the autoencoder was trained on.",
        role="input",
    )
    registered_model: str | None = param(
        "lunar-encoder", help="Registry name of the encoder; none does not register it."
    )
