"""K/R², K and depth over diameter come with intervals, and the depth with a state."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from crop_images import item
from service_parts import Parts

from lunar_models.degradation.depth_states import state_of_depth
from lunar_models.embedding import embed_crops, measure_crops, score_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from lunar_models.export.tables import physical_table, score_table
from serving.app.release import answer_of
from serving.app.routes.catalogue import describe_row
from serving.model import bundle as bundles
from serving.model.bundle import Bundle
from serving.model.classify import classify
from serving.model.reference_set import reference_set
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
        wide, narrow = k.intervals["95"], k.intervals["68"]
        assert wide.low < narrow.low < k.value < narrow.high < wide.high


def test_the_state_is_that_of_the_depth(physical: Bundle, parts: Parts) -> None:
    for answer in ask(physical, parts, diameter_km=DIAMETER_KM):
        depth, state = answer.physics.depth_over_diameter, answer.physics.state
        names = list(state.probabilities)
        assert names == ["New", "Semi-New", "Semi-Old", "Old"]
        assert sum(state.probabilities.values()) == pytest.approx(1)
        ends = (depth.intervals["95"].high, depth.value, depth.intervals["95"].low)
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


def test_levels_are_those_of_the_model(physical: Bundle, parts: Parts) -> None:
    checkpoint = replace(physical.checkpoint, interval_levels=(0.5, 0.9))
    other = replace(physical, checkpoint=checkpoint)
    for answer in ask(other, parts, diameter_km=DIAMETER_KM):
        assert list(answer.physics.k_m2.intervals) == ["50", "90"]


def test_reference_craters_have_theirs(physical: Bundle, parts: Parts) -> None:
    """`/v1/craters/ID` answers from the reference set what its crop would be answered."""
    crops = np.array(parts.crop_set.crops)
    embeddings = embed_crops(physical.checkpoint, crops, device="cpu")
    measured = measure_crops(physical.checkpoint, crops, device="cpu")
    index = reference_set(parts.crop_set, embeddings, physics=measured)
    served = SimpleNamespace(bundle=replace(physical, neighbours=index), identity=ModelAnswer())
    found = describe_row(served, 2, Options())
    diameter = float(index.craters["diameter_km"][2])
    fresh = ask(physical, parts, diameter_km=diameter)[2]
    told, expected = (a.physics.model_dump() for a in (found, fresh))
    assert told["state"]["label"] == expected["state"]["label"]
    for name in ("k_over_r2", "k_m2", "depth_over_diameter"):
        assert told[name]["value"] == pytest.approx(expected[name]["value"], rel=1e-3)
        assert told[name]["intervals"]["95"] == pytest.approx(
            expected[name]["intervals"]["95"], rel=1e-3
        )


def test_craters_of_a_release_have_theirs(physical: Bundle, parts: Parts) -> None:
    """All that the tables of a release say comes back, under the names of a fresh answer."""
    crops, diameter = np.array(parts.crop_set.crops[:1]), np.array([DIAMETER_KM])
    measured = measure_crops(physical.checkpoint, crops, device="cpu")
    scores = score_crops(physical.checkpoint, crops, device="cpu")
    made = [score_table(scores), physical_table(measured, diameter, (0.5, 0.95))]
    (row,) = pd.concat(made, axis=1).to_dict("records")
    answer = answer_of(row, {"model": {"version": "7"}})
    assert answer.encoder_degradation.score == pytest.approx(float(scores[0, 0]))
    k = answer.physics.k_m2
    assert k.value == row["k_m2"]
    assert k.intervals["50"].high == row["k_m2_high_50"]
    assert (
        answer.physics.state.label
        == ("New", "Semi-New", "Semi-Old", "Old")[row["physical_state"] - 1]
    )
    assert answer.physics.state.probabilities is None


def test_encoders_without_quantities_say_null(bundle: Bundle, taught: Path, parts: Parts) -> None:
    for other in (bundle, Bundle.load(taught)):
        assert all(a.physics is None for a in ask(other, parts, diameter_km=DIAMETER_KM))
        assert "k_m2" not in table([a.model_dump() for a in ask(other, parts)])[0]


def test_a_broken_image_has_none(physical: Bundle, parts: Parts) -> None:
    items = [{"image": "broken"}, item(np.array(parts.crop_set.crops[0]))]
    broken, whole = classify(physical, items, model=ModelAnswer(), options=Options())
    assert broken.physics is None
    assert whole.physics is not None
