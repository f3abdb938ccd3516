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

from lunar_models.cropping.extraction import make_crop_set
from lunar_models.crops.crop_set import CropSet
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.pca import PcaEncoder
from serving.app.locate import Locator
from serving.model.bundle import Bundle
from serving.model.classify import classify
from serving.model.preparation import prepare_cut
from serving.model.schema import ModelAnswer, Options

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


def trained_on(crop_set: CropSet) -> Checkpoint:
    return Checkpoint.for_crops(PcaEncoder(crop_size_px=16, latent_dim=4), crop_set)


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
    assert prepare_cut(crop, 32.0).cut_here
