"""Images whose exposure cannot be that of the mosaic are judged as if they were as bright as it."""

import numpy as np
import pytest
import torch
from crop_images import item
from service_parts import Parts

from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from serving.model.bundle import Bundle
from serving.model.classify import classify, classify_batch
from serving.model.preparation import CropForm, prepare_cut
from serving.model.schema import CropAnswer, ModelAnswer, Options


@pytest.fixture(scope="module")
def bright(parts: Parts) -> Bundle:
    """Its encoder compares brightness, and lets it count for a great deal."""
    torch.manual_seed(0)
    encoder = InverseRenderingEncoder(
        crop_size_px=parts.crop_set.info.crop_size_px, latent_dim=4, sees_brightness=True
    )
    checkpoint = Checkpoint(encoder.eval()).adapted_to(parts.crop_set)
    light = {"mosaic_incidence": 0.1, "brightness_slope": -0.8, "brightness_spread": 0.2}
    checkpoint.encoder.light = type(encoder.light)(**light)
    return Bundle(checkpoint)


def ask(bundle: Bundle, crops: np.ndarray) -> list[CropAnswer]:
    items = [item(crop.astype(np.float32), "NPY", sun_side="east") for crop in crops]
    return classify(bundle, items, model=ModelAnswer(), options=Options(return_embedding=True))


def values(answers: list[CropAnswer]) -> np.ndarray:
    return np.array(
        [
            [*(a.embedding or ()), a.encoder_degradation.score, a.physics.depth_over_diameter.value]
            for a in answers
        ]
    )


def at_level(bundle: Bundle, crops: np.ndarray) -> np.ndarray:
    normalisation = bundle.checkpoint.normalisation
    black, level = normalisation.black_level, normalisation.level
    return (crops + black) * (level / (crops.mean((1, 2), keepdims=True) + black)) - black


def codes(answers: list[CropAnswer]) -> list[bool]:
    return [any(w.code == "exposure_unknown" for w in a.warnings) for a in answers]


def test_a_dark_image_is_judged_at_the_level_of_the_mosaic(bright: Bundle, parts: Parts) -> None:
    crops = np.array(parts.crop_set.crops[:3]).astype(np.float64)
    dark = ask(bright, 0.063 * crops)
    neutral = ask(bright, at_level(bright, crops))
    np.testing.assert_allclose(values(dark), values(neutral), atol=1e-4)
    assert codes(dark) == [True] * 3
    assert codes(neutral) == [False] * 3
    assert np.allclose(values(dark)[:, 4], 0.0, atol=1e-5)  # brightness, the last column


def test_images_as_bright_as_the_mosaic_are_judged_as_before(bright: Bundle, parts: Parts) -> None:
    crops = at_level(bright, np.array(parts.crop_set.crops[:3]).astype(np.float64))
    for factor in (0.8, 1.0, 1.2):
        answers = ask(bright, factor * crops)
        told = bright.checkpoint.encoder.tell(
            bright.checkpoint.normalisation(torch.from_numpy((factor * crops).astype(np.float32)))
        )
        np.testing.assert_allclose(values(answers)[:, :5], told["embedding"].numpy(), atol=1e-5)
        assert codes(answers) == [False] * 3
    assert not np.allclose(values(ask(bright, 0.8 * crops)), values(ask(bright, crops)), atol=1e-3)


def test_what_the_service_cuts_keeps_its_darkness(bright: Bundle, parts: Parts) -> None:
    dark = (0.1 * np.array(parts.crop_set.crops[0])).astype(np.uint8)
    known = {"native_px": 100.0, "diameter_km": 5.0}
    cut = prepare_cut(dark, CropForm.of(bright.checkpoint), known)
    (answer,) = classify_batch(bright, [cut], model=ModelAnswer(), options=[Options()])
    assert codes([answer]) == [False]
    (sent,) = ask(bright, dark[None])
    assert sent.encoder_degradation.score != pytest.approx(answer.encoder_degradation.score)
