"""Define the parameters of `lunar-batch embed`."""

from lunar_models.config.base import param
from lunar_models.config.classify import WorkConfig


class EmbedConfig(WorkConfig):
    """Which crops are embedded, with which encoder, and on what."""

    crops: str = param(help="Crop set folder made by preprocess.", role="input")
    encoder_uri: str = param(
        help="Encoder: pretrained:NAME, a registered model URI, a service model or a checkpoint "
        "folder.",
        role="input",
    )
    output: str = param(
        "data/embeddings.parquet", help="Output file of the embeddings (Parquet).", role="output"
    )
