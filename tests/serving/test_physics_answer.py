"""K/R², K and depth over diameter come with intervals, and the depth with a state."""

from pathlib import Path

import numpy as np
import pytest
import torch
from crop_images import item
from service_parts import Parts

from lunar_models.degradation.depth_states import state_of_depth
from lunar_models.embedding import measure_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from serving.model import bundle as bundles
from serving.model.bundle import Bundle
from serving.model.classify import classify
from serving.model.schema import CropAnswer, ModelAnswer, Options
from serving.model.table import table

DIAMETER_KM = 4.0


@pytest.fixture(scope="module")
def physical(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Without head and clusters, as made from an encoder of the package."""
    folder = tmp_path_factory.mktemp("physical")
    torch.manual_seed(0)
    encoder = InverseRenderingEncoder(crop_size_px=parts.crop_set.info.crop_size_px, latent_dim=4)
    checkpoint = Checkpoint(encoder.eval()).adapted_to(parts.crop_set)
    checkpoint.save(folder / "encoder")
    golden = np.array(parts.crop_set.crops[:4])
    bundles.assemble(folder / "bundle", encoder=folder / "encoder", golden=golden)
    return Bundle.load(folder / "bundle")


def ask(bundle: Bundle, parts: Parts, **hints: float) -> list[CropAnswer]:
    items = [item(np.array(crop), sun_side="east", **hints) for crop in parts.crop_set.crops[:3]]
    return classify(bundle, items, model=ModelAnswer(), options=Options())


def test_quantities_are_those_of_the_steps(physical: Bundle, parts: Parts) -> None:
    crops = np.array(parts.crop_set.crops[:3])
    prediction = measure_crops(physical.checkpoint, crops, device="cpu")
    assert prediction is not None
    expected = prediction.table(np.full(3, DIAMETER_KM), (0.68, 0.95))
    rows = table([a.model_dump() for a in ask(physical, parts, diameter_km=DIAMETER_KM)])
    for name in expected:
        found = [row[name] for row in rows]
        np.testing.assert_allclose(found, expected[name], rtol=1e-3, err_msg=name)


def test_k_is_in_square_metres(physical: Bundle, parts: Parts) -> None:
    for answer in ask(physical, parts, diameter_km=DIAMETER_KM):
        k, k_over_r2 = answer.physics.k_m2, answer.physics.k_over_r2
        assert k.value == pytest.approx(k_over_r2.value * 2000.0**2, rel=1e-5)
        assert k.interval_95.low < k.interval_68.low < k.value
        assert k.value < k.interval_68.high < k.interval_95.high


def test_the_state_is_that_of_the_depth(physical: Bundle, parts: Parts) -> None:
    for answer in ask(physical, parts, diameter_km=DIAMETER_KM):
        depth, state = answer.physics.depth_over_diameter, answer.physics.state
        names = list(state.probabilities)
        assert names == ["New", "Semi-New", "Semi-Old", "Old"]
        assert sum(state.probabilities.values()) == pytest.approx(1)
        ends = (depth.interval_95.high, depth.value, depth.interval_95.low)
        first, own, last = (int(state_of_depth(d, DIAMETER_KM)) for d in ends)
        assert state.label == names[own - 1]
        assert state.states_95 == names[first - 1 : last]
        inside = sum(state.probabilities[name] for name in state.states_95)
        assert inside >= 0.95 - 1e-6
        assert answer.state is None  # that would be the head's


def test_without_a_diameter_there_is_neither_k_nor_state(physical: Bundle, parts: Parts) -> None:
    for answer in ask(physical, parts):
        assert answer.physics.depth_over_diameter.value > 0
        assert answer.physics.k_m2 is None
        assert answer.physics.state is None
    rows = table([answer.model_dump() for answer in ask(physical, parts)])
    assert rows[0]["k_m2_low_95"] is None


def test_encoders_without_quantities_say_null(bundle: Bundle, taught: Path, parts: Parts) -> None:
    for other in (bundle, Bundle.load(taught)):
        assert all(a.physics is None for a in ask(other, parts, diameter_km=DIAMETER_KM))
        assert "k_m2" not in table([a.model_dump() for a in ask(other, parts)])[0]


def test_a_broken_image_has_none(physical: Bundle, parts: Parts) -> None:
    items = [{"image": "broken"}, item(np.array(parts.crop_set.crops[0]))]
    broken, whole = classify(physical, items, model=ModelAnswer(), options=Options())
    assert broken.physics is None
    assert whole.physics is not None
