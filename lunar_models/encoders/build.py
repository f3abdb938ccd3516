"""Encoder families. To add one: a file, a line in `ENCODERS`, a word in `EncoderName`."""

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import Encoder, FittedEncoder
from lunar_models.encoders.families.backbone import BackboneEncoder
from lunar_models.encoders.families.cae import ConvolutionalAutoencoder
from lunar_models.encoders.families.ensemble import EnsembleEncoder
from lunar_models.encoders.families.original_cae import OriginalEncoder
from lunar_models.encoders.families.pca import PcaEncoder
from lunar_models.encoders.families.physics import PhysicsEncoder
from lunar_models.encoders.families.polar_harmonics import PolarHarmonicsEncoder
from lunar_models.encoders.families.swav import SwavEncoder
from lunar_models.encoders.families.vicreg import VicregEncoder
from lunar_models.encoders.families.vit_mae import ViTMaeEncoder

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
