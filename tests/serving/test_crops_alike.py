"""What the service cuts from a mosaic is what the encoder's crop set holds, filtered or not."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from crop_images import item
from planted_moon import GEOGRAPHIC, crop_config, write_array

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.crops.crop_set import CropSet, Radiometry
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.pca import PcaEncoder
from lunar_models.synthetic.synthesize import synthesize
from serving.app.locate import Locator
from serving.model.alignment import align
from serving.model.bundle import Bundle
from serving.model.classify import classify, classify_batch
from serving.model.preparation import CropForm, Prepared, prepare, prepare_cut
from serving.model.schema import CropAnswer, ModelAnswer, Options

MODEL = ModelAnswer(name="craters", version="1")
STEP_DEG = 0.02
PLACES = [(0.6 * i, 0.5 * j) for i in range(-3, 4) for j in range(-3, 4)]


@pytest.fixture(scope="module", params=["uint8", "uint16"])
def moon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rough ground with a strong slope of brightness, and craters of 10 km."""
    folder = tmp_path_factory.mktemp(request.param)
    rng = np.random.default_rng(0)
    ground = np.linspace(60, 190, 300)[:, None] + rng.normal(0, 15, (300, 300))
    scale = {"uint8": 1, "uint16": 37}[request.param]
    write_array(
        folder / "mosaic.tif",
        (ground.clip(1, 255) * scale).astype(request.param),
        crs=GEOGRAPHIC,
        transform=Affine(STEP_DEG, 0, -3, 0, -STEP_DEG, 3),
    )
    craters = pd.DataFrame(PLACES, columns=["LON_CIRC_IMG", "LAT_CIRC_IMG"])
    craters = craters.assign(CRATER_ID=[f"c{i}" for i in craters.index], DIAM_CIRC_IMG=10.0)
    craters.to_csv(folder / "craters.csv", index=False)
    return folder


PLACE_COLUMNS = ("longitude_deg", "latitude_deg", "diameter_km")


def trained_on(crop_set: CropSet, crop_size_px: int = 16) -> Checkpoint:
    return Checkpoint.for_crops(PcaEncoder(crop_size_px=crop_size_px, latent_dim=4), crop_set)


@pytest.mark.parametrize("highpass_sigma_px", [None, 4.0])
def test_a_place_is_cut_as_for_the_crop_set(
    moon: Path, tmp_path: Path, highpass_sigma_px: float | None
) -> None:
    crop_set = make_crop_set(
        crop_config(
            moon, tmp_path / "crops", illumination="none", highpass_sigma_px=highpass_sigma_px
        )
    )
    checkpoint, locator = trained_on(crop_set), Locator(str(moon / "mosaic.tif"))
    assert len(crop_set) > 40
    for crop, crater in zip(crop_set.crops, crop_set.metadata.itertuples(), strict=True):
        cut, _ = asyncio.run(
            locator.crop(
                checkpoint,
                longitude_deg=crater.longitude_deg,
                latitude_deg=crater.latitude_deg,
                diameter_km=crater.diameter_km,
            )
        )
        np.testing.assert_array_equal(cut, crop)


def test_images_for_a_filtered_model_are_warned_of(bundle: Bundle) -> None:
    crop = np.random.default_rng(0).integers(60, 190, (16, 16), dtype=np.uint8)
    filtered = replace(bundle, checkpoint=replace(bundle.checkpoint, highpass_sigma_px=4.0))

    def codes(bundle: Bundle, given: object) -> set[str]:
        (answer,) = classify(bundle, [given], model=MODEL, options=Options())
        assert answer.error is None
        return {warning.code for warning in answer.warnings}

    assert "filter_unknown" in codes(filtered, item(crop))
    assert "filter_unknown" not in codes(bundle, item(crop))


def test_unaligned_crops_are_not_mirrored(bundle: Bundle, parts) -> None:
    """An encoder trained on crops as they lie must see them so when served."""
    crop = np.array(parts.crop_set.crops[int(np.argmax(parts.crop_set.crops.std((1, 2))))])
    unaligned = replace(bundle, checkpoint=replace(bundle.checkpoint, alignment="none"))
    options = Options()

    def embedded(bundle: Bundle, *crops: np.ndarray) -> list[list[float]]:
        items = [item(each) for each in crops]
        return [a.embedding for a in classify(bundle, items, model=MODEL, options=options)]

    east, west = embedded(bundle, crop, crop[:, ::-1])
    assert east == west
    as_is, mirrored = embedded(unaligned, crop, crop[:, ::-1])
    assert as_is == east
    assert mirrored != east


def test_a_cut_crop_is_known_to_be_filtered() -> None:
    crop = np.random.default_rng(0).integers(60, 190, (16, 16), dtype=np.uint8)
    assert prepare_cut(crop, CropForm(16, 1.5, Radiometry()), {"native_px": 32.0}).cut_here


def test_a_mosaic_read_in_another_way_is_told(bundle: Bundle, moon: Path) -> None:
    """A model of hillshades is asked about photographs, and says so."""
    locator = Locator(str(moon / "mosaic.tif"))
    assert locator.warnings(bundle.checkpoint) == []
    other = replace(bundle.checkpoint, reading={"shade": "90,65", "crs": "IAU_2015:30100"})
    (warning,) = locator.warnings(other)
    assert warning.code == "other_mosaic"
    assert "shade=90,65, here shade=none" in warning.message
    here = Locator(str(moon / "mosaic.tif"), crs="IAU_2015:30100")
    (warning_of_crs,) = here.warnings(replace(other, reading={"crs": "IAU_2015:30110"}))
    assert warning_of_crs.code == "other_crs"
    assert "crs=IAU_2015:30110, here crs=IAU_2015:30100" in warning_of_crs.message
    assert here.warnings(replace(other, reading={"crs": "IAU_2015:30100"})) == []
    crop = np.random.default_rng(0).integers(60, 190, (32, 32), dtype=np.uint8)
    cut = prepare_cut(crop, CropForm.of(other), {"native_px": 32.0}, [warning])
    options = [Options(abstain_below=0.0)]
    (answer,) = classify_batch(bundle, [cut], model=MODEL, options=options)
    assert answer.state.abstained
    assert "shade=90,65" in answer.state.reason


def test_how_the_mosaic_was_read_travels_with_the_checkpoint(parts, tmp_path: Path) -> None:
    info = parts.crop_set.info
    read = replace(info, preprocess={**info.preprocess, "band": 2, "shade": None, "crs": None})
    crop_set = replace(parts.crop_set, info=read)
    encoder = PcaEncoder(crop_size_px=info.crop_size_px, latent_dim=4)
    Checkpoint.for_crops(encoder, crop_set).save(tmp_path)
    assert Checkpoint.load(tmp_path).reading == {"band": 2}


# --- the Sun ----------------------------------------------------------------------------------


def bowl(azimuth_deg: float, size: int = 32) -> np.ndarray:
    """A crater whose half towards the azimuth is dark."""
    axis = (2 * np.arange(size) + 1 - size) / size * 1.5
    x, y = np.meshgrid(axis, -axis)
    turn, radius = np.radians(azimuth_deg), np.hypot(x, y)
    facing = x * np.sin(turn) + y * np.cos(turn)
    shade = np.where(radius < 1, -facing, np.where(radius < 1.3, 0.5 * facing / radius, 0))
    noise = np.random.default_rng(0).normal(0, 2, shade.shape)
    return np.clip(90 + 50 * shade + noise, 1, 255).astype(np.uint8)


def aligned(images: list[np.ndarray], alignment: str, **hints: object) -> tuple[np.ndarray, list]:
    checkpoint = Checkpoint(PcaEncoder(crop_size_px=32, latent_dim=4), alignment=alignment)
    answers = [CropAnswer(model=MODEL) for _ in images]
    prepared = [prepare(checkpoint, item(image, **hints)) for image in images]
    return align(checkpoint, prepared, answers), answers


@pytest.mark.parametrize("azimuth", [0, 40, 90, 150, 180, 220, 270, 310])
def test_an_image_is_turned_for_an_encoder_that_knows_turned_crops(azimuth: float) -> None:
    for hints in ({}, {"sun_azimuth_deg": float(azimuth)}):
        (crop,), (answer,) = aligned([bowl(azimuth)], "azimuth", **hints)
        assert abs((answer.sun_azimuth_deg - azimuth + 180) % 360 - 180) < 5
        inside = slice(6, -6), slice(6, -6)
        assert np.corrcoef(crop[inside].ravel(), bowl(90)[inside].ravel())[0, 1] > 0.9
        assert not answer.warnings


def test_an_encoder_of_mirrored_crops_gets_mirrored_ones() -> None:
    images = [bowl(60), bowl(290)]
    crops, answers = aligned(images, "side")
    np.testing.assert_array_equal(crops, [images[0], images[1][:, ::-1]])
    assert [answer.sun_side for answer in answers] == ["east", "west"]
    crops, answers = aligned(images, "none")
    np.testing.assert_array_equal(crops, images)


def test_an_unknown_azimuth_is_said_to_be() -> None:
    noise = np.random.default_rng(1).integers(60, 120, (32, 32)).astype(np.uint8)
    (crop,), (answer,) = aligned([noise], "azimuth")
    assert answer.sun_azimuth_deg is None
    assert answer.sun_side is None
    assert [warning.code for warning in answer.warnings] == ["azimuth_unknown"]
    np.testing.assert_array_equal(crop, noise)


def test_a_place_is_turned_as_for_the_crop_set(tmp_path: Path) -> None:
    moon = synthesize(
        SynthesizeConfig(
            output=str(tmp_path),
            projection="south_polar",
            width_px=400,
            height_px=400,
            crater_count=30,
            diameter_max_km=4.0,
            sun_azimuth_deg=30,
            seam_bands=1,
        )
    )
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=(str(moon.mosaic_path),),
            catalogue=str(moon.catalogue_path),
            output=str(tmp_path / "crops"),
            crop_size_px=32,
        )
    )
    assert crop_set.info.alignment == "azimuth"
    locator, checkpoint = Locator(str(moon.mosaic_path)), trained_on(crop_set, 32)
    alike = []
    for crop, crater in zip(crop_set.crops, crop_set.metadata.itertuples(), strict=True):
        place = {name: getattr(crater, name) for name in PLACE_COLUMNS}
        cut, known = asyncio.run(locator.crop(checkpoint, **place))
        prepared = prepare_cut(cut, CropForm.of(checkpoint), known)
        assert isinstance(prepared, Prepared)
        served = align(checkpoint, [prepared], [CropAnswer(model=MODEL)])[0]
        alike.append(np.corrcoef(served.ravel(), crop.ravel())[0, 1])
    assert np.median(alike) > 0.98
