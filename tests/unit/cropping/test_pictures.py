"""Craters given in pixels of images are cut where they are, and get no invented coordinates."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from planted_moon import GEOGRAPHIC, write_array
from rasterio import Affine

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.crops.places import relative_places
from lunar_models.errors import CatalogueError, ConfigError, MosaicError

SHAPE = (300, 500)


def picture(path, seed=0):
    """Noise with a planted pattern of single pixels at every multiple of 50."""
    values = np.random.default_rng(seed).integers(60, 120, SHAPE).astype(np.uint8)
    driver = {"png": "PNG", "pgm": "PNM", "tif": "GTiff"}[path.suffix[1:]]
    with rasterio.open(
        path, "w", driver=driver, dtype="uint8", count=1, height=SHAPE[0], width=SHAPE[1]
    ) as target:
        target.write(values, 1)
    return values


def config(folder, *names, catalogue, **settings):
    (folder / "boxes.csv").write_text(catalogue)
    return PreprocessConfig(
        mosaic=tuple(str(folder / name) for name in names),
        catalogue=str(folder / "boxes.csv"),
        output=str(folder / "crops"),
        **{"crop_size_px": 32, "illumination": "none", "context_diameters": 2.0, **settings},
    )


def test_crops_are_the_pixels_themselves(tmp_path):
    """At one crop pixel per image pixel a crop is the window, from both images, to a grey level."""
    images = {"one.png": picture(tmp_path / "one.png"), "two.pgm": picture(tmp_path / "two.pgm", 1)}
    rows = ["crater_id,x_px,y_px,diameter_px,image"]
    places = {}
    for n, (x, y) in enumerate([(50, 40), (250, 150), (470, 270), (30, 260), (333, 77)]):
        for name in images:
            places[f"{name}-{n}"] = (x, y, name)
            rows.append(f"{name}-{n},{x},{y},16,somewhere/{name}")
    rows.append("lost,9,9,9,three.png")
    made = make_crop_set(config(tmp_path, *images, catalogue="\n".join(rows)))
    assert len(made) == 10
    for crop, (_, crater) in zip(made.crops, made.metadata.iterrows(), strict=True):
        x, y, name = places[crater["crater_id"]]
        window = images[name][y - 16 : y + 16, x - 16 : x + 16]
        assert np.abs(crop.astype(int) - window).max() <= 1
        assert (crater["x_px"], crater["y_px"], crater["diameter_px"]) == (x, y, 16)
        assert crater["native_px"] == pytest.approx(32, rel=1e-3)
    assert made.metadata[["longitude_deg", "latitude_deg", "diameter_km"]].isna().all(axis=None)
    assert made.rejected.set_index("crater_id")["reason"]["lost"] == "its image is not given"


def test_boxes_on_a_map_get_its_places(tmp_path):
    values = np.random.default_rng(0).integers(60, 120, SHAPE).astype(np.uint8)
    affine = Affine(0.01, 0, 10, 0, -0.01, 1.5)
    write_array(tmp_path / "map.tif", values, crs=GEOGRAPHIC, transform=affine)
    catalogue = "crater_id,xmin,ymin,xmax,ymax\na,90,140,110,160\n"
    (crater,) = make_crop_set(
        config(tmp_path, "map.tif", catalogue=catalogue)
    ).metadata.itertuples()
    assert crater.longitude_deg == pytest.approx(11.0)
    assert crater.latitude_deg == pytest.approx(0.0, abs=1e-9)
    assert crater.diameter_km == pytest.approx(np.radians(0.2) * 1737.4, rel=1e-6)


def test_what_pictures_cannot_have(tmp_path):
    picture(tmp_path / "one.png")
    picture(tmp_path / "two.png")
    good = "crater_id,x_px,y_px,diameter_px\na,100,100,20\nb,200,100,20\n"
    with pytest.raises(ConfigError, match=r"latitude_min_deg: .*min_native_px"):
        make_crop_set(config(tmp_path, "one.png", catalogue=good, latitude_min_deg=0.0))
    with pytest.raises(CatalogueError, match=r"in which of 2 images.*column image"):
        make_crop_set(config(tmp_path, "one.png", "two.png", catalogue=good))
    with pytest.raises(MosaicError, match=r"no georeference.*pixel boxes"):
        make_crop_set(config(tmp_path, "one.png", catalogue="id,lon,lat,diam_km\na,1,2,3\n"))
    other = "crater_id,x_px,y_px,diameter_px,image\na,100,100,20,three.png\n"
    with pytest.raises(CatalogueError, match=r"three\.png, none of which is given: one\.png"):
        make_crop_set(config(tmp_path, "one.png", catalogue=other))


def test_relative_places_keep_neighbours_and_sizes():
    table = pd.DataFrame(
        {
            "longitude_deg": np.nan, "latitude_deg": np.nan, "diameter_km": np.nan,
            "x_px": [0.0, 100.0, 0.0], "y_px": [0.0, 0.0, 0.0], "diameter_px": [50.0, 50.0, 50.0],
            "image": ["a", "a", "b"],
        }
    )  # fmt: skip
    places = relative_places(table)
    apart = np.radians(np.diff(places["longitude_deg"])) * 1737.4 / places["diameter_km"].iloc[0]
    assert apart[0] == pytest.approx(2.0)  # diameters, as in pixels
    assert apart[1] > 0.0  # images do not lie on one another
    assert relative_places(table.drop(columns="x_px"))["longitude_deg"].isna().all()
