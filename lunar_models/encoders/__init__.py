"""Encoder families. To add one: a file, a line in `ENCODERS`, a word in `EncoderName`."""

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.backbone import BackboneEncoder
from lunar_models.encoders.base import Encoder, FittedEncoder
from lunar_models.encoders.cae import ConvolutionalAutoencoder
from lunar_models.encoders.ensemble import EnsembleEncoder
from lunar_models.encoders.original_cae import OriginalEncoder
from lunar_models.encoders.pca import PcaEncoder
from lunar_models.encoders.physics import PhysicsEncoder
from lunar_models.encoders.polar_harmonics import PolarHarmonicsEncoder
from lunar_models.encoders.swav import SwavEncoder
from lunar_models.encoders.vicreg import VicregEncoder
from lunar_models.encoders.vit_mae import ViTMaeEncoder

ENCODERS: dict[str, type[Encoder]] = {
    family.name: family
    for family in (
        ConvolutionalAutoencoder,
        PcaEncoder,
        PolarHarmonicsEncoder,
        VicregEncoder,
        SwavEncoder,
        PhysicsEncoder,
        ViTMaeEncoder,
        BackboneEncoder,
        EnsembleEncoder,
        OriginalEncoder,
    )
}

__all__ = ["ENCODERS", "Encoder", "FittedEncoder", "build_encoder"]


def build_encoder(config: TrainConfig, *, crop_size_px: int) -> Encoder:
    """An untrained encoder for (B, 1, S, S) crops with S = `crop_size_px`.

    Raises:
        ConfigError: the parameters do not fit the family or the crop size.
    """
    return ENCODERS[config.encoder].from_config(config, crop_size_px=crop_size_px)
