"""Craters cut from the server's mosaic, at places inside, outside and where it has no data."""

import asyncio
import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from live_server import Live, live_server
from PIL import Image
from planted_moon import GEOGRAPHIC, write_mosaic
from service_parts import SIZE

from lunar_models.config.serve import ServeConfig
from lunar_models.cropping.single import extract_crop
from lunar_models.errors import ConfigError, MosaicError
from serving.app import locate
from serving.cli.classify import classify

STEP_DEG = 0.05
CRATER = {"longitude_deg": -4.0, "latitude_deg": 3.0, "diameter_km": 60.0}
EMPTY = {"longitude_deg": 16.0, "latitude_deg": 0.0, "diameter_km": 60.0}
OUTSIDE = {"longitude_deg": 60.0, "latitude_deg": 3.0, "diameter_km": 60.0}


def bowl(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """One crater lit from the east, on ground that brightens northwards; no data east of 12°."""
    radius = np.degrees(CRATER["diameter_km"] / 2 / 1737.4)
    x = (longitude - CRATER["longitude_deg"]) / radius
    y = (latitude - CRATER["latitude_deg"]) / radius
    lit = 120 + latitude - 60 * np.where(np.hypot(x, y) < 1, x, 0)
    return np.where(longitude < 12, lit, 0)


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 degrees to each side of 0° E, 0° N."""
    side = int(40 / STEP_DEG)
    return write_mosaic(
        tmp_path_factory.mktemp("mosaic") / "mosaic.tif",
        bowl,
        crs=GEOGRAPHIC,
        transform=Affine(STEP_DEG, 0, -20, 0, -STEP_DEG, 20),
        shape=(side, side),
        nodata=0,
    )


@pytest.fixture(scope="module")
def server(
    bundle_folder: Path, mosaic: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("app"), bundle_folder, mosaic=str(mosaic)) as live:
        yield live


def test_a_place_is_cut_out_and_classified(server: Live, mosaic: Path) -> None:
    found = server.get("/v1/locate", params={**CRATER, "top_k": 3, "return_embedding": True}).json()
    png = base64.b64decode(found["image"])
    expected = extract_crop(mosaic, **CRATER, crop_size_px=SIZE)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), expected)
    headers = {"content-type": "image/png"}
    sent = server.post("/v1/classify", params={"top_k": 3}, data=png, headers=headers).json()
    assert found["prediction"] == sent["predictions"][0]
    assert found["prediction"]["sun_side"] == "east"
    assert len(found["prediction"]["similar"]) == 3


def test_longitude_may_be_counted_up_to_360(server: Live) -> None:
    turned = {**CRATER, "longitude_deg": CRATER["longitude_deg"] + 360}
    here, there = (server.get("/v1/locate", params=place).json() for place in (CRATER, turned))
    assert here == there


@pytest.mark.parametrize("path", ["/v1/locate", "/v1/similar"])
def test_a_place_outside_the_mosaic_is_a_problem(server: Live, path: str) -> None:
    reply = server.get(path, params=OUTSIDE)
    assert reply.headers["content-type"] == "application/problem+json"
    assert (reply.status_code, reply.json()["code"]) == (404, "not_in_mosaic")


@pytest.mark.parametrize(
    "wrong", [{"latitude_deg": 91}, {"longitude_deg": 361}, {"diameter_km": 0}, {"top_k": "nan"}]
)
def test_impossible_places_are_a_problem(server: Live, wrong: dict) -> None:
    reply = server.get("/v1/locate", params={**CRATER, **wrong})
    assert (reply.status_code, reply.json()["code"]) == (422, "bad_parameter")


def test_ground_without_data_has_no_answer(server: Live) -> None:
    prediction = server.get("/v1/locate", params=EMPTY).json()["prediction"]
    assert prediction["error"]["code"] == "featureless"
    assert prediction["state"] is None


def test_a_crater_of_few_pixels_comes_with_a_warning(server: Live) -> None:
    small = server.get("/v1/locate", params={**CRATER, "diameter_km": 5.0}).json()
    codes = [warning["code"] for warning in small["prediction"]["warnings"]]
    assert codes == ["few_pixels", "upsampled"]


def test_similar_by_place_looks_at_the_mosaic(server: Live) -> None:
    found = server.get("/v1/similar", params={**CRATER, "top_k": 4}).json()
    located = server.get("/v1/locate", params={**CRATER, "top_k": 4}).json()
    assert found == located
    assert len(found["prediction"]["similar"]) == 4


def test_the_page_gets_the_mosaic_and_its_edges(server: Live) -> None:
    bounds = server.get("/v1/map").json()["mosaic_bounds_deg"]
    np.testing.assert_allclose(bounds, [-20, -20, 20, 20], atol=1e-9)
    picture = server.get("/v1/mosaic.jpg")
    assert Image.open(io.BytesIO(picture.content)).size == (800, 800)


def test_a_crowd_of_places_is_told_to_wait(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "_MOST_WAITING", 0)
    reply = server.get("/v1/locate", params=CRATER)
    assert (reply.status_code, reply.json()["code"]) == (503, "busy")
    assert "retry-after" in reply.headers


def test_a_table_of_places_becomes_a_table_of_states(server: Live, tmp_path: Path) -> None:
    places = pd.DataFrame([CRATER, OUTSIDE, EMPTY]).assign(crater_id=["in", "out", "empty"])
    places.to_csv(tmp_path / "places.csv", index=False)
    arguments = [str(tmp_path / "places.csv"), str(tmp_path / "states.csv"), "--url", server.url]
    result = CliRunner().invoke(classify, arguments)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "states.csv", dtype={"state": str}).set_index("crater_id")
    assert table.loc["in", "state"] in ("1", "2", "3", "4")
    assert table.loc["out", "error_code"] == "not_located"
    assert table.loc["empty", "error_code"] == "featureless"


def test_how_the_mosaic_is_read(mosaic: Path, tmp_path: Path) -> None:
    """Band, reference system and light are the server's parameters, as they are preprocess's."""
    with rasterio.open(mosaic) as data:
        values, transform = data.read(1), data.transform
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 2}
    profile["nodata"] = 0  # as in the first
    path = tmp_path / "two.tif"
    with rasterio.open(path, "w", dtype="uint8", transform=transform, **profile) as target:
        target.write(np.stack([np.full_like(values, 7), values]))
    with pytest.raises(MosaicError, match="reference system"):
        locate.Locator(str(path), band=2)
    with pytest.raises(MosaicError, match="say which one is"):
        locate.Locator(str(path), crs="IAU_2015:30100")
    plain = locate.Locator(str(mosaic))
    read = locate.Locator(str(path), band=2, crs="IAU_2015:30100")
    assert read.bounds_deg == pytest.approx(plain.bounds_deg)
    lit = locate.Locator(str(path), band=2, crs="IAU_2015:30100", shade="90,65,km")
    pictures = [asyncio.run(locator.overview()) for locator in (read, lit)]
    assert pictures[0] != pictures[1]
    with pytest.raises(ConfigError, match="give mosaic too"):
        ServeConfig(shade="90,65")
