"""Test SwAV and its Sinkhorn iteration."""

from typing import Any, ClassVar

import torch
from encoder_contract import EncoderContract, SeesViews, generator

from lunar_models.encoders.families.swav import sinkhorn


class TestSwav(SeesViews, EncoderContract):
    name = "swav"
    settings: ClassVar[dict[str, Any]] = {"latent_dim": 6, "prototypes": 8}
    overfit = 0.9


class TestSinkhorn:
    def test_rows_are_whole_and_prototypes_share_equally(self) -> None:
        scores = torch.randn(60, 5, generator=generator())
        shares = sinkhorn(scores, smoothness=0.5, rounds=200)
        torch.testing.assert_close(shares.sum(1), torch.ones(60))
        torch.testing.assert_close(shares.sum(0), torch.full((5,), 12.0), atol=1e-3, rtol=0)

    def test_by_hand(self) -> None:
        """Two crops like the same prototype: the one that likes it less must go.

        With q on the diagonal, q² / (1 - q)² = exp((1 + 0.9 - 0 - 1) / 0.1).
        """
        shares = sinkhorn(torch.tensor([[1.0, 0.0], [1.0, 0.9]]), smoothness=0.1, rounds=500)
        q = torch.sigmoid(torch.tensor(4.5)).item()
        expected = torch.tensor([[q, 1 - q], [1 - q, q]])
        torch.testing.assert_close(shares, expected, atol=1e-4, rtol=0)

    def test_no_overflow(self) -> None:
        assert torch.isfinite(sinkhorn(torch.tensor([[1e4, -1e4], [3e3, 9e3]]))).all()
