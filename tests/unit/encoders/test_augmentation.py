import torch

from lunar_models.encoders.augmentation import lunar_view
from lunar_models.encoders.families.vicreg import vicreg_terms


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_sun_stays_in_the_east() -> None:
    """East-west gradients keep their direction in every view."""
    gradient = torch.linspace(1, -1, 32).expand(64, 1, 32, 32)
    views = lunar_view(gradient, _generator(), context_diameters=1.5)
    assert (views[..., :8].mean((1, 2, 3)) > views[..., -8:].mean((1, 2, 3))).all()


def test_north_and_south_change_places_in_half_of_the_views() -> None:
    gradient = torch.linspace(1, -1, 32)[:, None].expand(400, 1, 32, 32)
    views = lunar_view(gradient, _generator(), context_diameters=1.5)
    flipped = views[:, :, :8].mean((1, 2, 3)) < views[:, :, -8:].mean((1, 2, 3))
    assert 0.4 < flipped.float().mean() < 0.6


def test_contrast_is_kept() -> None:
    """A wide step keeps its height; only edges move and soften."""
    step = torch.ones(64, 1, 32, 32)
    step[..., 16:] = -1
    views = lunar_view(step, _generator(), context_diameters=1.5)
    assert views[..., 12:20, 2].sub(1).abs().max() < 0.05
    assert views.abs().max() < 1.001


def test_centres_shift_by_a_part_of_the_crater_not_of_the_crop() -> None:
    """The middle of a ramp tells how far its view has moved, whatever else was done to it."""
    ramp = torch.linspace(-1, 1, 33).expand(200, 1, 33, 33)
    near, wide = (
        lunar_view(ramp, _generator(), context_diameters=context)[:, 0, 16, 16]
        for context in (1.5, 3.0)
    )
    assert near.std() > 0.03
    torch.testing.assert_close(near, 2 * wide, atol=1e-5, rtol=1e-4)


def test_all_randomness_comes_from_the_generator() -> None:
    crops = torch.randn(8, 1, 16, 16)
    first = lunar_view(crops, _generator(3), context_diameters=1.5)
    torch.manual_seed(1)
    assert torch.equal(lunar_view(crops, _generator(3), context_diameters=1.5), first)
    assert not torch.equal(lunar_view(crops, _generator(4), context_diameters=1.5), first)


def test_vicreg_is_zero_for_equal_white_views() -> None:
    """Projections ±2 along each axis: equal views, no correlation, deviation above one."""
    white = 2 * torch.cat([torch.eye(3), -torch.eye(3)]) * 3**0.5
    terms = vicreg_terms(white, white)
    assert terms["loss"].abs() < 1e-6


def test_vicreg_by_hand() -> None:
    """Collapsed views one apart: invariance 1, variance 1 - 0.01, no covariance."""
    terms = vicreg_terms(torch.zeros(4, 2), torch.ones(4, 2))
    assert terms["invariance"] == 1
    torch.testing.assert_close(terms["variance"], torch.tensor(0.99))
    assert terms["covariance"] == 0
    torch.testing.assert_close(terms["loss"], torch.tensor(1.99))


def test_vicreg_covariance_by_hand() -> None:
    """Two equal dimensions of variance 4/3: off-diagonals (4/3)² on average, for two views."""
    view = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])
    torch.testing.assert_close(vicreg_terms(view, view)["covariance"], torch.tensor(32 / 9))
