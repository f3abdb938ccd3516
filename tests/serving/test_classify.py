"""Serving sees a crop exactly as training did, and a bad item harms itself alone."""

import numpy as np
import pytest
from crop_images import item
from service_parts import DIM, SIZE, STATES, Parts

from lunar_models.embedding import embed_crops
from serving.model.bundle import Bundle
from serving.model.classify import classify
from serving.model.schema import CropAnswer, ModelAnswer, Options

MODEL = ModelAnswer(name="craters", version="1")


def answer(bundle: Bundle, items: list, **options) -> list[CropAnswer]:
    return classify(bundle, items, model=MODEL, options=Options(**options))


def test_embeddings_are_those_of_training(bundle: Bundle, parts: Parts) -> None:
    crops = np.array(parts.crop_set.crops[:70])
    expected = embed_crops(bundle.checkpoint, crops, device="cpu")
    answers = answer(bundle, [item(crop, sun_side="east") for crop in crops])
    assert not [a.error for a in answers if a.error]
    np.testing.assert_allclose([a.embedding for a in answers], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "NPY"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "rgb", "float32"])
def test_one_crop_in_every_dress_embeds_alike(
    bundle: Bundle, parts: Parts, kind: str, dtype: str
) -> None:
    crop = np.array(parts.crop_set.crops[3])
    dressed = {
        "uint8": crop,
        "uint16": crop.astype(np.uint16) * 257,
        "rgb": np.stack([crop] * 3, axis=-1),
        "float32": crop.astype(np.float32) / 255,
    }[dtype]
    if (kind, dtype) == ("PNG", "float32"):
        pytest.skip("PNG has no floats")
    plain, other = answer(bundle, [item(crop), item(dressed, kind)])
    np.testing.assert_allclose(other.embedding, plain.embedding, rtol=1e-3, atol=1e-3)


def test_a_mirrored_crop_gives_the_same_answer(bundle: Bundle, parts: Parts) -> None:
    crop = np.array(parts.crop_set.crops[int(np.argmax(parts.crop_set.crops.std((1, 2))))])
    east, west, told = answer(
        bundle, [item(crop), item(crop[:, ::-1]), item(crop[:, ::-1], sun_side="west")]
    )
    assert (east.sun_side, west.sun_side, told.sun_side) == ("east", "west", "west")
    assert east.embedding == west.embedding == told.embedding


@pytest.mark.parametrize("side", [16, 47, 64, 200])
def test_any_size_embeds_nearly_alike(bundle: Bundle, parts: Parts, side: int) -> None:
    from lunar_models.crops.resampling import resize_crop

    crop = np.array(parts.crop_set.crops[5])
    plain, resized = answer(bundle, [item(crop), item(resize_crop(crop, side))])
    scale = parts_spread(bundle)
    assert np.linalg.norm(np.subtract(plain.embedding, resized.embedding)) < 0.25 * scale


def parts_spread(bundle: Bundle) -> float:
    """Typical distance of two reference craters."""
    assert bundle.neighbours is not None
    embeddings = np.asarray(bundle.neighbours.embeddings)
    return float(np.linalg.norm(embeddings - np.roll(embeddings, 1, axis=0), axis=1).mean())


def test_every_part_answers(bundle: Bundle, parts: Parts) -> None:
    crop = np.array(parts.crop_set.crops[7])
    (found,) = answer(bundle, [item(crop, sun_side="east")], top_k=3)
    assert found.error is None
    assert found.model == MODEL
    assert found.embedding is not None
    assert len(found.embedding) == DIM
    assert found.cluster is not None
    assert found.cluster.id in (0, 1, 2)
    assert found.novelty is not None
    assert 0 <= found.novelty <= 1
    assert found.state is not None
    assert list(found.state.probabilities) == list(STATES)
    assert sum(found.state.probabilities.values()) == pytest.approx(1)
    assert found.state.label in found.state.conformal_set
    assert found.degradation is not None
    assert 0 <= found.degradation.score <= 1
    # the reference set holds this very crop
    assert found.similar[0].crater_id == parts.crop_set.metadata["crater_id"][7]
    assert found.similar[0].distance == pytest.approx(0, abs=1e-4)
    assert len(found.similar) == 3


def test_parameters(bundle: Bundle, parts: Parts) -> None:
    one = [item(np.array(parts.crop_set.crops[7]))]
    (plain,) = answer(bundle, one, top_k=0, return_embedding=False, abstain_below=0.0)
    (strict,) = answer(bundle, one, abstain_below=1.0)
    assert plain.embedding is None
    assert plain.similar == []
    assert plain.state is not None
    assert strict.state is not None
    assert (plain.state.abstained, strict.state.abstained) == (False, True)


CROP = (np.random.default_rng(0).random((SIZE, SIZE)) * 255).astype(np.uint8)
BROKEN = [
    ({"image": "####"}, "bad_base64"),
    ({"image": "QUJD"}, "undecodable"),
    ({"image": 5}, "bad_item"),
    ({"image": None}, "bad_item"),
    ({}, "bad_item"),
    ("a string", "bad_item"),
    (None, "bad_item"),
    ([1, 2], "bad_item"),
    (item(CROP, sun_side="north"), "bad_item"),
    (item(CROP, pixel_scale_m=-1.0), "bad_item"),
    (item(CROP, diameter_km=float("nan")), "bad_item"),
    (item(CROP, sun_sid="east"), "bad_item"),
    (item(np.full((SIZE, SIZE), 9, np.uint8)), "featureless"),
    (item(np.full((8, 8), np.nan), "NPY"), "not_finite"),
]


def test_broken_items_harm_no_neighbour(bundle: Bundle) -> None:
    items = [item(CROP)]
    for broken, _ in BROKEN:
        items += [broken, item(CROP)]
    answers = answer(bundle, items)
    codes = [a.error.code if a.error else None for a in answers]
    assert codes[1::2] == [code for _, code in BROKEN]
    assert set(codes[::2]) == {None}
    assert len({tuple(a.embedding or ()) for a in answers[::2]}) == 1
    assert all(a.embedding is None and a.state is None for a in answers[1::2])


def test_errors_never_repeat_the_input(bundle: Bundle) -> None:
    secret = "c2VjcmV0"
    broken = [{"image": secret, secret: 1}, {"image": secret}, {"image": "x", "sun_side": secret}]
    for found in answer(bundle, [secret, *broken]):
        assert found.error is not None
        assert secret not in found.error.message


def _codes(found: CropAnswer) -> list[str]:
    return [w.code for w in found.warnings]


def test_doubtful_images_are_answered_with_a_warning(bundle: Bundle) -> None:
    holes = CROP.copy()
    holes[: SIZE // 2] = 0
    tiny, wide, dark, odd, narrow = answer(
        bundle,
        [
            item(CROP[:8, :8]),
            item(CROP[:20]),
            item(holes),
            item(CROP.astype(np.float32) * 7 - 300, "NPY"),
            item(CROP, pixel_scale_m=100.0, diameter_km=SIZE * 0.1 / 1.2),
        ],
    )
    assert _codes(tiny) == ["few_pixels", "upsampled"]
    assert _codes(wide) == ["not_square"]
    assert _codes(dark) == ["mostly_nodata", "novel"]
    assert _codes(odd) == ["rescaled", "novel"]
    assert _codes(narrow) == ["narrow_context", "novel"]


@pytest.mark.parametrize("diameters", [0.03, 0.3, 0.99])
def test_an_image_without_the_rim_is_refused(bundle: Bundle, diameters: float) -> None:
    given = {"pixel_scale_m": 100.0, "diameter_km": SIZE * 0.1 / diameters}
    refused, whole = answer(bundle, [item(CROP, **given), item(CROP)])
    assert refused.error is not None
    assert refused.error.code == "narrow_context"
    assert f"spans {diameters:.2g} crater diameters" in refused.error.message
    assert refused.state is None
    assert whole.error is None


@pytest.mark.parametrize(("scale", "diameter"), [(1e300, 1e-320), (1e-300, 1e300)])
def test_absurd_scales_are_no_crash(bundle: Bundle, scale: float, diameter: float) -> None:
    (found,) = answer(bundle, [item(CROP, pixel_scale_m=scale, diameter_km=diameter)])
    assert found.error is not None or found.warnings


def test_scale_and_diameter_cut_the_crop_to_the_context(bundle: Bundle, parts: Parts) -> None:
    crop = np.array(parts.crop_set.crops[2])
    around = np.pad(crop, SIZE // 2, mode="reflect")
    # SIZE px at 100 m are 1.5 diameters of a crater of SIZE * 100 / 1.5 m
    given = {"pixel_scale_m": 100.0, "diameter_km": SIZE * 0.1 / 1.5, "sun_side": "east"}
    plain, cut = answer(bundle, [item(crop, sun_side="east"), item(around, **given)])
    np.testing.assert_allclose(cut.embedding, plain.embedding, rtol=1e-4, atol=1e-5)


def test_huge_floats_are_answered(bundle: Bundle) -> None:
    values = CROP.astype(np.float64)
    for factor in (1e300, 1e36, -1e30, 1e-30):
        (found,) = answer(bundle, [item(values * factor, "NPY")])
        if found.error is None:
            assert np.isfinite(found.embedding).all()
        else:
            assert found.error.code in ("featureless", "not_finite", "bad_nodata")
