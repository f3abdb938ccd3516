"""Define the sizes of masked autoencoders that are trained from scratch."""

from typing import Any

from lunar_models.config.train import ModelSize

SIZES: dict[ModelSize, dict[str, int]] = {
    "tiny": {"hidden_size": 192, "num_attention_heads": 3, "decoder_hidden_size": 96},
    "small": {"hidden_size": 384, "num_attention_heads": 6, "decoder_hidden_size": 192},
    "base": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "decoder_hidden_size": 512,
        "decoder_num_attention_heads": 16,
        "decoder_num_hidden_layers": 8,
    },
}
"""Of models from scratch: DeiT's tiny and small (arXiv 2012.12877) with a light decoder, and the
base of MAE (arXiv 2111.06377)."""


def architecture_of(size: ModelSize, patch_px: int) -> dict[str, Any]:
    """Return the arguments of transformers' ``ViTMAEConfig``, without the size of the image."""
    sizes = SIZES[size]
    return {
        "num_channels": 1,
        "patch_size": patch_px,
        "num_hidden_layers": 12,
        "intermediate_size": 4 * sizes["hidden_size"],
        "decoder_num_hidden_layers": 2,
        "decoder_num_attention_heads": sizes["num_attention_heads"],
        "decoder_intermediate_size": 4 * sizes["decoder_hidden_size"],
        **sizes,
    }
