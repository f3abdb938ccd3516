"""A crater unlike those of training is answered with the reason, and without a label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crop_images import item
from live_server import live_server
from service_parts import Parts

from lunar_models.crops.training_domain import TrainingDomain
from lunar_models.encoders.checkpoint import Checkpoint
from serving.model import bundle as bundles
from serving.model.bundle import Bundle
from serving.model.classify import classify, classify_batch
from serving.model.preparation import CropForm, prepare_cut
from serving.model.schema import CropAnswer, ModelAnswer, Options


def ask(bundle: Bundle, parts: Parts, *, times: int = 1, **hints: float) -> CropAnswer:
    """Classify a crop, each pixel of which is sent as `times` x `times`."""
    picture = np.array(parts.crop_set.crops[3]).repeat(times, 0).repeat(times, 1)
    crop = item(picture, sun_side="east", **hints)
    options = Options(abstain_below=0.0)  # the head itself never abstains
    (answer,) = classify(bundle, [crop], model=ModelAnswer(), options=options)
    assert answer.error is None
    return answer


@pytest.fixture
def narrow(bundle: Bundle) -> Bundle:
    """Trained on 1 to 20 km and 10 to 100 px, labelled from 4 to 15 km."""
    domain = TrainingDomain({"diameter_km": (1.0, 20.0), "native_px": (10.0, 100.0), **ANY_GROUND})
    return replace(
        bundle,
        checkpoint=replace(bundle.checkpoint, domain=domain),
        head_domain=TrainingDomain({"diameter_km": (4.0, 15.0), **ANY_GROUND}),
    )


ANY_GROUND = {"mean_brightness": (0.0, 255.0), "contrast": (0.0, 10.0)}


def test_inside_nothing_is_said(narrow: Bundle, parts: Parts) -> None:
    for hints in ({}, {"diameter_km": 10.0}):
        answer = ask(narrow, parts, **hints)
        assert answer.warnings == []
        assert (answer.state.abstained, answer.state.reason) == (False, None)


def test_a_diameter_that_nobody_labelled(narrow: Bundle, parts: Parts) -> None:
    answer = ask(narrow, parts, diameter_km=18.0)
    (warning,) = answer.warnings
    assert warning.code == "outside_training"
    assert warning.message == (
        "No labelled crater was like this one: its diameter, 18 km, is not in 4–15."
    )
    assert answer.state.abstained
    assert answer.state.reason == warning.message
    assert answer.cluster is not None


def test_a_diameter_that_the_encoder_never_saw(narrow: Bundle, parts: Parts) -> None:
    answer = ask(narrow, parts, diameter_km=90.0)
    assert [w.code for w in answer.warnings] == ["outside_training"] * 2
    assert "not in 1–20" in answer.warnings[0].message
    assert answer.state.abstained


def test_a_resolution_that_the_encoder_never_saw(narrow: Bundle, parts: Parts) -> None:
    hints = {"diameter_km": 10.0, "pixel_scale_m": 100.0}  # 150 px across 1.5 diameters
    messages = [w.message for w in ask(narrow, parts, times=5, **hints).warnings]
    assert "its native resolution, 150 px across the crop, is not in 10–100" in str(messages)


def test_copernicus_is_abstained_from_for_its_diameter(narrow: Bundle, parts: Parts) -> None:
    """Fresh, 90 km; labels covered 4 to 15 km."""
    wide = replace(
        narrow.checkpoint, domain=TrainingDomain({"diameter_km": (1.0, 120.0), **ANY_GROUND})
    )
    answer = ask(replace(narrow, checkpoint=wide), parts, diameter_km=90.0)
    assert answer.state.abstained
    assert answer.state.reason == (
        "No labelled crater was like this one: its diameter, 90 km, is not in 4–15."
    )


def test_terrain_and_incidence_that_were_not_in_training(bundle: Bundle, parts: Parts) -> None:
    crop = np.array(parts.crop_set.crops[3])
    contrast = float(crop.std() / crop.mean())
    ranges = {"contrast": (contrast - 0.01, contrast + 0.01), "incidence_deg": (55.0, 80.0)}
    ranges = {**ANY_GROUND, **ranges}
    known = replace(bundle, head_domain=TrainingDomain(ranges))
    assert ask(known, parts, incidence_deg=60.0).warnings == []
    assert "its incidence of the Sun, 30 °, is not in 55–80" in (
        ask(known, parts, incidence_deg=30.0).state.reason
    )
    other = replace(bundle, head_domain=TrainingDomain({"contrast": (contrast / 9, contrast / 8)}))
    assert "its contrast of the ground" in ask(other, parts).state.reason


def test_bright_ground_is_judged_where_the_exposure_is_known(bundle: Bundle, parts: Parts) -> None:
    """Of what the service cuts itself; nobody knows how an image was stretched."""
    domain = TrainingDomain({**ANY_GROUND, "mean_brightness": (1.0, 2.0)})
    dark = replace(bundle, head_domain=domain)
    assert ask(dark, parts).warnings == []
    crop = np.array(parts.crop_set.crops[3])
    cut = prepare_cut(crop, CropForm.of(bundle.checkpoint), {"native_px": 32.0})
    (answer,) = classify_batch(dark, [cut], model=ModelAnswer(), options=[Options()])
    assert answer.error is None
    assert "its brightness of the ground" in answer.state.reason


def test_a_model_of_before_that_recorded_no_ground_says_so(narrow: Bundle, parts: Parts) -> None:
    old = TrainingDomain({"diameter_km": (1.0, 20.0)})
    checkpoint = replace(narrow.checkpoint, domain=old)
    for bundle, part in (
        (replace(narrow, checkpoint=checkpoint), "encoder"),
        (replace(narrow, head_domain=old), "head"),
        (replace(narrow, checkpoint=checkpoint, head_domain=old), "encoder and head"),
    ):
        answer = ask(bundle, parts, diameter_km=10.0)
        (warning,) = answer.warnings
        assert warning.code == "terrain_unknown"
        assert f"that the {part} had in training were not recorded" in warning.message
        assert not answer.state.abstained


def test_what_looks_like_nothing_known_is_novel(bundle: Bundle) -> None:
    noise = (np.random.default_rng(0).random((32, 32)) * 255).astype(np.uint8)
    (answer,) = classify(bundle, [item(noise)], model=ModelAnswer(), options=Options())
    assert answer.novelty == 1.0
    assert "novel" in [w.code for w in answer.warnings]
    assert answer.state.abstained
    assert "unlike the craters" in answer.state.reason


def test_a_doubtful_label_says_why(bundle: Bundle, parts: Parts) -> None:
    crop = item(np.array(parts.crop_set.crops[3]))
    options = Options(abstain_below=1.0)
    (answer,) = classify(bundle, [crop], model=ModelAnswer(), options=options)
    assert answer.state.reason.startswith("The best probability, 0.")
    assert answer.state.reason.endswith("is below 1.00.")


def test_the_domains_travel_with_the_model(parts: Parts, tmp_path: Path) -> None:
    head = tmp_path / "head"
    head.mkdir()
    (head / "head.npz").write_bytes((parts.head / "head.npz").read_bytes())
    TrainingDomain({"diameter_km": (4.0, 5.0)}).save(head / bundles.DOMAIN_FILE)
    plain = Checkpoint.load(parts.encoder)
    Checkpoint.for_crops(plain.encoder, parts.crop_set).save(tmp_path / "encoder")
    folder = bundles.assemble(
        tmp_path / "bundle", encoder=tmp_path / "encoder", head=head, neighbours=parts.neighbours,
        golden=parts.crop_set.crops[:4],
    )  # fmt: skip
    bundle = Bundle.load(folder)
    diameters = parts.crop_set.metadata["diameter_km"]
    known = bundle.checkpoint.domain.ranges["diameter_km"]
    assert known == pytest.approx((diameters.min(), diameters.max()))
    assert bundle.head_domain.ranges == {"diameter_km": (4.0, 5.0)}
    with live_server(tmp_path, folder) as live:
        crater = parts.crop_set.metadata.iloc[int(np.argmax(diameters))]
        answer = live.get(f"/v1/craters/{crater['crater_id']}").json()["prediction"]
        assert answer["warnings"][0]["code"] == "outside_training"
        assert "is not in 4–5" in answer["state"]["reason"]


def test_a_domain_of_metadata() -> None:
    import pandas as pd

    metadata = pd.DataFrame({"diameter_km": [2.0, 9.0], "native_px": [np.nan, 30.0]})
    domain = TrainingDomain.of(metadata.assign(incidence_deg=np.nan))
    assert domain.ranges == {"diameter_km": (2.0, 9.0), "native_px": (30.0, 30.0)}
    assert domain.outside({"diameter_km": 9.0, "incidence_deg": 5.0}) == []


def test_terrain_has_no_sharp_limits() -> None:
    domain = TrainingDomain({"contrast": (0.1, 0.2), "diameter_km": (4.0, 15.0)})
    assert domain.outside({"contrast": 0.209, "diameter_km": 15.0}) == []
    assert len(domain.outside({"contrast": 0.211, "diameter_km": 15.1})) == 2
