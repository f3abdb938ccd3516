"""Test VICReg, alone and with a decoder."""

from typing import Any, ClassVar

from encoder_contract import EncoderContract, SeesViews


class TestVicreg(SeesViews, EncoderContract):
    name = "vicreg"
    overfit = 0.8  # variance and covariance cannot vanish with four crops


class TestVicregWithReconstruction(EncoderContract):
    name = "vicreg"
    settings: ClassVar[dict[str, Any]] = {"latent_dim": 6, "reconstruction_weight": 1.0}
    overfit = 0.8
