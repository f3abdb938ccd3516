import numpy as np
import pytest
import torch
from helpers import bowl_crops
from hypothesis import given
from hypothesis import strategies as st

from lunar_models.crops.normalisation import Kind, Normalisation, split_brightness
from lunar_models.errors import ConfigError

KINDS: tuple[Kind, ...] = ("ratio", "global", "zscore", "minmax")


@pytest.mark.parametrize("kind", KINDS)
def test_output_is_float32_in_range_with_a_channel(kind: Kind) -> None:
    crops, _ = bowl_crops(20, 16)
    values = Normalisation.fit(kind, crops)(torch.from_numpy(crops))
    assert values.shape == (20, 1, 16, 16)
    assert values.dtype == torch.float32
    assert values.abs().max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_flat_and_a_black_crop_stay_finite(kind: Kind) -> None:
    flat = np.stack([np.full((8, 8), 90, np.uint8), np.zeros((8, 8), np.uint8)])
    assert torch.isfinite(Normalisation.fit(kind, flat)(torch.from_numpy(flat))).all()


def test_ratio_by_hand() -> None:
    crop = torch.tensor([[[50, 150], [100, 100]]], dtype=torch.uint8)
    values = Normalisation(kind="ratio", clip=0.4)(crop)[0, 0]
    assert values.tolist() == [[-1.0, 1.0], [0.0, 0.0]]  # -0.5 and 0.5 are clipped at 0.4


@given(st.floats(0.25, 2.0))
def test_ratio_ignores_albedo_and_keeps_contrast(albedo: float) -> None:
    crop = torch.tensor([[[90.0, 110.0], [95.0, 105.0]]])
    ratio = Normalisation(kind="ratio")
    torch.testing.assert_close(ratio(crop * albedo), ratio(crop))
    assert ratio(100 + 2 * (crop - 100)).std() == pytest.approx(2 * ratio(crop).std().item())


def test_with_a_level_nothing_is_lost() -> None:
    """Ratios to a level can be taken apart into the crop's brightness and its own ratios."""
    crops = torch.from_numpy(bowl_crops(5, 16)[0].copy())
    crops[1] = crops[1] // 3
    crops[2] = 0
    levelled = Normalisation(black_level=2.0, clip=0.1, level=90.0)
    ratio, brightness = split_brightness(levelled(crops), torch.tensor([0.1]))
    plain = Normalisation(black_level=2.0, clip=0.1)
    torch.testing.assert_close(ratio, plain(crops), atol=1e-4, rtol=0)
    torch.testing.assert_close(brightness, (crops.float().mean((1, 2)) + 2.0) / 90.0)
    assert Normalisation(**levelled.to_dict()) == levelled
    assert "level" not in plain.to_dict()  # crop sets of former versions have none


def test_a_black_crop_among_others_is_flat() -> None:
    """Whatever the last bits of its mean: other programs, such as ONNX Runtime, round otherwise."""
    black = torch.full((3, 1, 8, 8), -0.4)  # 0 over a level of 100, less 1, over 2.5
    black += 3e-8 * torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None]
    black[:, :, 0, 0] += 1e-7
    ratio, brightness = split_brightness(black, torch.tensor([2.5]))
    assert ratio.abs().max() < 1e-3
    assert brightness.abs().max() < 1e-6


def test_zscore_and_minmax_throw_contrast_away() -> None:
    crop = torch.tensor([[[90.0, 110.0], [95.0, 105.0]]])
    for kind in ("zscore", "minmax"):
        normalise = Normalisation(kind=kind, clip=3.0)
        torch.testing.assert_close(normalise(100 + 2 * (crop - 100)), normalise(crop))


def test_black_level_restores_proportionality() -> None:
    """Stored = brightness - 20: adding 20 back makes the ratio right again."""
    brightness = torch.tensor([[[60.0, 140.0], [80.0, 120.0]]])
    stored = Normalisation(kind="ratio", black_level=20.0)(brightness - 20.0)
    torch.testing.assert_close(stored, Normalisation(kind="ratio")(brightness))


def test_crops_are_normalised_one_by_one() -> None:
    crops, _ = bowl_crops(9, 16)
    ratio = Normalisation.fit("ratio", crops)
    both = ratio(torch.from_numpy(crops))
    torch.testing.assert_close(ratio(torch.from_numpy(crops[4:5])), both[4:5])


def test_survives_json() -> None:
    fitted = Normalisation.fit("ratio", bowl_crops(9, 16)[0], black_level=3.0)
    assert Normalisation(**fitted.to_dict()) == fitted


def test_nothing_to_fit_on() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Normalisation.fit("ratio", np.empty((0, 8, 8), np.uint8))
