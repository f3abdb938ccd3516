"""Find and build encoder families.

To add one: a file in `families/`, a line in `ENCODERS`, a word in `config.train.ENCODER_FAMILIES`.
A family of another package needs none of this: `find_family` imports it by name.
"""

import importlib
from importlib.metadata import entry_points

from lunar_models.config.train import ENCODER_GROUP, TrainConfig
from lunar_models.encoders.base import Encoder, FittedEncoder
from lunar_models.encoders.families.backbone import BackboneEncoder
from lunar_models.encoders.families.cae import ConvolutionalAutoencoder
from lunar_models.encoders.families.ensemble import EnsembleEncoder
from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from lunar_models.encoders.families.original_cae import OriginalEncoder
from lunar_models.encoders.families.pca import PcaEncoder
from lunar_models.encoders.families.physics import PhysicsEncoder
from lunar_models.encoders.families.polar_harmonics import PolarHarmonicsEncoder
from lunar_models.encoders.families.swav import SwavEncoder
from lunar_models.encoders.families.vicreg import VicregEncoder
from lunar_models.encoders.families.vit_mae import ViTMaeEncoder
from lunar_models.errors import ConfigError

ENCODERS: dict[str, type[Encoder]] = {
    family.name: family
    for family in (
        ConvolutionalAutoencoder,
        PcaEncoder,
        PolarHarmonicsEncoder,
        VicregEncoder,
        SwavEncoder,
        PhysicsEncoder,
        InverseRenderingEncoder,
        ViTMaeEncoder,
        BackboneEncoder,
        EnsembleEncoder,
        OriginalEncoder,
    )
}

__all__ = ["ENCODERS", "Encoder", "FittedEncoder", "build_encoder", "family_name", "find_family"]


def find_family(name: str) -> type[Encoder]:
    """Find an encoder family by name.

    Args:
        name: a key of `ENCODERS`, an entry point of the group `lunar_models.encoders`, or
            ``package.module:Class``.

    Raises:
        ConfigError: nothing of that name can be imported, or it is not an `Encoder`.
    """
    if name in ENCODERS:
        return ENCODERS[name]
    offered = {entry.name: entry.value for entry in entry_points(group=ENCODER_GROUP)}
    module, _, attribute = offered.get(name, name).partition(":")
    try:
        family = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"encoder={name!r} cannot be imported ({error}); install its package, or put its "
            "folder on PYTHONPATH."
        ) from error
    if not (isinstance(family, type) and issubclass(family, Encoder)):
        raise ConfigError(
            f"encoder={name!r} is not a class derived from lunar_models.encoders.base.Encoder."
        )
    return family


def family_name(encoder: Encoder) -> str:
    """Return the name under which `find_family` finds the encoder's class again."""
    family = type(encoder)
    if ENCODERS.get(family.name) is family:
        return family.name
    return f"{family.__module__}:{family.__qualname__}"


def build_encoder(config: TrainConfig, *, crop_size_px: int) -> Encoder:
    """Build an untrained encoder for (B, 1, S, S) crops with S = `crop_size_px`.

    Raises:
        ConfigError: the parameters do not fit the family or the crop size.
    """
    return find_family(config.encoder).from_config(config, crop_size_px=crop_size_px)
