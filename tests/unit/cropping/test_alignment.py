"""Planted azimuths from the mosaic to the finished crop set."""

import numpy as np
import pandas as pd
import pytest
from planted_moon import crop_config

from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.single import extract_crop
from lunar_models.cropping.sun.azimuth import azimuth_evidence
from lunar_models.synthetic.synthesize import synthesize

SMALL = {"width_px": 700, "height_px": 700, "crater_count": 120, "diameter_max_km": 5.0}


def away(a, b):
    return np.abs((np.asarray(a) - b + 180) % 360 - 180)


@pytest.fixture(scope="module")
def polar_moon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("polar")
    return synthesize(
        SynthesizeConfig(
            output=str(folder),
            projection="north_polar",
            sun_azimuth_deg=20,
            seam_bands=3,
            **SMALL,
        )
    )


def cut(moon, output, **settings):
    settings = {"crop_size_px": 32, "diameter_min_km": 1.0, "diameter_max_km": None, **settings}
    return make_crop_set(
        crop_config(
            moon.mosaic_path.parent,
            output,
            mosaic=(str(moon.mosaic_path),),
            catalogue=str(moon.catalogue_path),
            **settings,
        )
    )


@pytest.fixture(scope="module")
def polar_crops(polar_moon, tmp_path_factory):
    return cut(polar_moon, tmp_path_factory.mktemp("aligned") / "crops")


def test_polar_azimuths_are_found_and_the_sun_comes_to_stand_in_the_east(polar_moon, polar_crops):
    truth = pd.read_csv(polar_moon.truth_path).set_index("CRATER_ID")
    table = polar_crops.metadata
    planted = truth.loc[table["crater_id"], "sun_azimuth_deg"].to_numpy()
    assert (away(table["sun_azimuth_deg"], planted) < 15).mean() > 0.95
    fresh = truth.loc[table["crater_id"], "state"].to_numpy() <= 2
    evidence = azimuth_evidence(polar_crops.crops)[fresh]
    aligned = np.degrees(np.arctan2(evidence[:, 0], evidence[:, 1]))
    assert (away(aligned, 90) < 20).mean() > 0.95
    assert polar_crops.info.alignment == "azimuth"


def test_turned_crop_is_sampled_once_from_the_mosaic(polar_moon, polar_crops):
    """Each is what a single extraction with the recorded rotation gives, mirrored or not."""
    table = polar_crops.metadata
    for row in (0, 17, 50):
        crater = table.iloc[row]
        crop = extract_crop(
            polar_moon.mosaic_path,
            longitude_deg=crater["longitude_deg"],
            latitude_deg=crater["latitude_deg"],
            diameter_km=crater["diameter_km"],
            crop_size_px=32,
            rotation_deg=crater["rotation_deg"],
        )
        expected = crop[:, ::-1] if crater["flipped"] else crop
        np.testing.assert_array_equal(polar_crops.crops[row], expected)


def test_rotation_by_a_right_angle_turns_the_picture_clockwise(polar_moon):
    place = {"longitude_deg": 20.0, "latitude_deg": 89.5, "diameter_km": 3.0, "crop_size_px": 40}
    upright = extract_crop(polar_moon.mosaic_path, **place)
    turned = extract_crop(polar_moon.mosaic_path, **place, rotation_deg=90.0)
    np.testing.assert_allclose(turned, np.rot90(upright, -1).astype(int), atol=1)


def test_killed_while_turning_resumes_to_the_same_bytes(
    polar_moon, polar_crops, tmp_path, monkeypatch
):
    from lunar_models.cropping import extraction

    sample, calls = extraction._sample_segment, []

    def dies_in_the_second_sampling(*arguments):
        calls.append(arguments[4].number)
        if arguments[4].number >= calls[0] + 1 and len(calls) > 1:
            raise KeyboardInterrupt
        sample(*arguments)

    monkeypatch.setattr(extraction, "_sample_segment", dies_in_the_second_sampling)
    with pytest.raises(KeyboardInterrupt):
        cut(polar_moon, tmp_path / "crops")
    monkeypatch.setattr(extraction, "_sample_segment", sample)
    again = cut(polar_moon, tmp_path / "crops")
    assert again.info.digest == polar_crops.info.digest
    pd.testing.assert_frame_equal(again.metadata, polar_crops.metadata)


def test_crops_in_shadow_blown_out_and_blank_are_rejected(noise_moon, tmp_path):
    from planted_moon import GEOGRAPHIC, global_transform, write_array

    width = 4096
    values = np.random.default_rng(0).integers(60, 120, (width // 2, width)).astype(np.uint8)
    spots = {"dark": (-90, 3), "white": (-30, 255), "blank": (30, 90), "good": (90, None)}
    for longitude, level in spots.values():
        column = int((longitude + 180) / 360 * width)
        if level is not None:
            values[900:1150, column - 120 : column + 120] = level
    column = int((-90 + 180) / 360 * width)
    values[900:1150, column - 120 : column - 90] = 80  # a lit edge, a tenth of the crop
    path = write_array(
        tmp_path / "m.tif", values, crs=GEOGRAPHIC, transform=global_transform(width)
    )
    table = pd.DataFrame(
        {
            "crater_id": list(spots) + [f"C{n}" for n in range(30)],
            "longitude_deg": [longitude for longitude, _ in spots.values()]
            + list(np.linspace(-170, 170, 30)),
            "latitude_deg": [0.0] * 4 + [45.0] * 30,
            "diameter_km": 400.0,
        }
    )
    table.to_csv(tmp_path / "c.csv", index=False)
    made = make_crop_set(
        crop_config(
            noise_moon,
            tmp_path / "crops",
            mosaic=(str(path),),
            catalogue=str(tmp_path / "c.csv"),
            diameter_max_km=None,
        )
    )
    reasons = made.rejected.set_index("crater_id")["reason"]
    assert reasons["dark"] == "shadow_fraction above 0.5"
    assert reasons["white"] == "saturated_fraction above 0.25"
    assert reasons["blank"] == "contrast below 0.01"
    assert "good" in set(made.metadata["crater_id"])
