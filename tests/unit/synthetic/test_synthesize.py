"""Test the files of a synthetic Moon against what was planted in it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from lunar_models.catalogue.labels import read_labels
from lunar_models.catalogue.table import read_catalogue
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.degradation.crater_shape import (
    state_of,
)
from lunar_models.errors import ConfigError
from lunar_models.mosaic.raster import Mosaic
from lunar_models.synthetic.synthesize import SyntheticMoon, synthesize

SMALL = {
    "width_px": 500,
    "height_px": 400,
    "crater_count": 60,
    "diameter_max_km": 6.0,
    "seam_bands": 3,
    "latitude_deg": 50.0,
    "longitude_deg": 179.0,
}

SEAMS_PX = [167, 333]


@pytest.fixture(scope="module")
def moon(tmp_path_factory: pytest.TempPathFactory) -> SyntheticMoon:
    return synthesize(SynthesizeConfig(output=str(tmp_path_factory.mktemp("moon")), **SMALL))


def test_mosaic_is_a_lunar_geotiff(moon: SyntheticMoon) -> None:
    with rasterio.open(moon.mosaic_path) as mosaic:
        assert (mosaic.width, mosaic.height, mosaic.dtypes) == (500, 400, ("uint8",))
        assert mosaic.crs.to_dict()["proj"] == "eqc"
        assert mosaic.crs.to_dict()["R"] == 1737400
        assert mosaic.res == (100, 100)
        assert mosaic.profile["tiled"]
        picture = mosaic.read(1)
    assert 60 < picture.mean() < 110
    assert picture.min() >= 1  # 0 is nodata
    assert np.mean(picture == 255) < 0.001


def test_files_agree_with_each_other_and_can_be_read_back(moon: SyntheticMoon) -> None:
    catalogue, rejected = read_catalogue(moon.catalogue_path)
    labels = read_labels(moon.truth_path)
    truth = pd.read_csv(moon.truth_path)
    assert rejected.empty
    assert len(catalogue) == 60
    assert catalogue["crater_id"].tolist() == labels["crater_id"].tolist()
    assert (labels["state"] == state_of(truth["k_over_r2"])).all()
    assert truth["d_over_d"].between(0.03, 0.217).all()
    assert set(truth["sun_side"]) == {"east", "west"}
    assert truth["incidence_deg"].between(55, 75).all()
    assert pd.read_csv(moon.catalogue_path)["LON_CIRC_IMG"].between(0, 360).all()


def test_catalogue_positions_and_sun_sides_match_the_picture(moon: SyntheticMoon) -> None:
    """The half of a fresh crater's bowl away from the Sun is lit, the other dark."""
    catalogue = pd.read_csv(moon.catalogue_path).merge(pd.read_csv(moon.truth_path))
    fresh = catalogue[(catalogue["state"] <= 2) & (catalogue["DIAM_CIRC_IMG"] > 1.5)]
    with rasterio.open(moon.mosaic_path) as mosaic:
        picture = mosaic.read(1).astype(float)
        left, top, pixel = mosaic.transform.c, mosaic.transform.f, mosaic.transform.a
    x = (np.deg2rad(fresh["LON_CIRC_IMG"].to_numpy()) * 1_737_400 - left) / pixel
    y = (top - np.deg2rad(fresh["LAT_CIRC_IMG"].to_numpy()) * 1_737_400) / pixel
    radius = fresh["DIAM_CIRC_IMG"].to_numpy() * 5
    rows, columns = np.indices(picture.shape) + 0.5
    cosine = np.cos(np.deg2rad(fresh["LAT_CIRC_IMG"].to_numpy()))
    compared = 0
    for n, side in enumerate(fresh["sun_side"]):
        dx, dy = (columns - x[n]) * cosine[n], rows - y[n]
        inside = np.hypot(dx, dy) < 0.8 * radius[n]
        if np.ptp(np.searchsorted(SEAMS_PX, columns[inside])):
            continue  # half of it is lit from the other side
        contrast = picture[inside & (dx < 0)].mean() - picture[inside & (dx > 0)].mean()
        assert (contrast > 0) == (side == "east")
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("projection", ["north_polar", "south_polar"])
def test_a_polar_moon_is_lit_as_its_truth_says(projection: str, tmp_path: Path) -> None:
    """The bowl's dark half of fresh craters lies at the azimuth of the Sun, north from the map."""
    size = {"width_px": 500, "height_px": 500, "crater_count": 60, "diameter_max_km": 6.0}
    moon = synthesize(
        SynthesizeConfig(
            output=str(tmp_path), projection=projection, sun_azimuth_deg=200, seam_bands=3, **size
        )
    )
    table = pd.read_csv(moon.catalogue_path).merge(pd.read_csv(moon.truth_path))
    fresh = table[(table["state"] <= 2) & (table["DIAM_CIRC_IMG"] > 1.5)]
    assert fresh["sun_azimuth_deg"].between(0, 360).all()
    mosaic = Mosaic.open(moon.mosaic_path)
    with rasterio.open(moon.mosaic_path) as file:
        picture = file.read(1).astype(float)
    rows, columns = np.indices(picture.shape)
    errors = []
    for _, crater in fresh.iterrows():
        longitude, latitude = crater["LON_CIRC_IMG"], crater["LAT_CIRC_IMG"]
        x, y = mosaic.projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
        # a tenth of a kilometre further north, one pixel, on the map
        step = {"longitude_deg": longitude, "latitude_deg": latitude + 1e-4}
        north = np.subtract(mosaic.projection.to_pixels(**step), (x, y))
        inside = np.hypot(columns - x, rows - y) < 8 * crater["DIAM_CIRC_IMG"] / 2
        dark = (picture[inside].mean() - picture)[inside]
        sun_x, sun_y = (dark * (columns - x)[inside]).sum(), (dark * (rows - y)[inside]).sum()
        clockwise = np.arctan2(sun_x, -sun_y) - np.arctan2(north[0], -north[1])
        errors.append((np.rad2deg(clockwise) - crater["sun_azimuth_deg"] + 180) % 360 - 180)
    assert len(errors) >= 8
    assert np.median(np.abs(errors)) < 8


def test_same_seed_same_bytes_other_seed_other_moon(moon: SyntheticMoon, tmp_path: Path) -> None:
    again = synthesize(SynthesizeConfig(output=str(tmp_path / "again"), **SMALL))
    other = synthesize(SynthesizeConfig(output=str(tmp_path / "other"), seed=1, **SMALL))
    for name in ("mosaic_path", "catalogue_path", "truth_path"):
        assert getattr(again, name).read_bytes() == getattr(moon, name).read_bytes()
        assert getattr(other, name).read_bytes() != getattr(moon, name).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"diameter_min_km": 11.0}, "above diameter_max_km"),
        ({"incidence_min_deg": 80.0}, "above incidence_max_deg"),
        ({"diameter_min_km": 0.3}, "under 4 pixels"),
        ({"latitude_deg": 80.0, "height_px": 6000}, "beyond 85 deg"),
        ({"crater_count": 0}, "too small"),
    ],
)
def test_impossible_parameters(change: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SynthesizeConfig(**change)


def test_an_output_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        synthesize(SynthesizeConfig(output=str(tmp_path / "taken"), **SMALL))
