import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from lunar_models.catalogue.craterstats import read_craterstats
from lunar_models.degradation.analysis import Choices, analyse
from lunar_models.degradation.area_files import read_area
from lunar_models.degradation.areas import CountingArea, bounds_area
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.degradation.sphere_polygons import circles
from lunar_models.degradation.sphere_rings import sphere_rings
from lunar_models.export.craterstats import write_craterstats, write_diam, write_scc
from lunar_models.export.shapefiles import write_shapefiles

CRATERS = pd.DataFrame(
    {
        "crater_id": ["a", "b", "c"],
        "longitude_deg": [179.99, 0.0, 10.0],
        "latitude_deg": [0.0, 89.95, 60.0],
        "diameter_km": [30.123456, 20.0, 5.0],
        "state": pd.array([1, 2, 2], dtype="Int64"),
    }
)
ACROSS, POLAR = bounds_area(170, -10, -170, 10), bounds_area(-180, 80, 180, 90)
AREAS = {
    "box": bounds_area(-45, 25, -20, 40),
    "across": ACROSS,
    "north": POLAR,
    "south": bounds_area(-180, -90, 180, -75),
    "wide": bounds_area(-100, -30, 100, 30),
    "band": bounds_area(-180, -60, 180, 60),
    "moon": bounds_area(-180, -90, 180, 90),
    "hole": CountingArea(ACROSS.shape - circles([180], [0], [60.0])[0], "hole"),
    "ring": CountingArea(POLAR.shape - circles([0], [90], [60.0])[0], "ring"),
}


@pytest.mark.parametrize("name", AREAS)
def test_a_spatial_count_comes_back(tmp_path, name):
    path = tmp_path / "count.scc"
    write_scc(path, CRATERS, AREAS[name])
    count = read_craterstats(path)
    pd.testing.assert_frame_equal(
        count.craters[["diameter_km", "longitude_deg", "latitude_deg"]],
        CRATERS[["diameter_km", "longitude_deg", "latitude_deg"]],
        check_exact=False,
        rtol=1e-8,
    )
    assert count.area_km2 == pytest.approx(AREAS[name].area_km2, rel=1e-9)
    outline = read_area(path)
    assert outline.area_km2 == pytest.approx(AREAS[name].area_km2, rel=1e-6)
    assert not outline.notes


@pytest.mark.parametrize("name", AREAS)
def test_no_ring_has_an_artificial_edge(name):
    longest = 4.0 if name in ("hole", "ring") else 0.11  # circles have 96 vertices
    for _, ring in sphere_rings(AREAS[name].shape):
        steps = (np.diff(ring[:, 0]) + 180) % 360 - 180
        assert np.abs(steps).max() < longest
        assert (np.hypot(steps, np.diff(ring[:, 1])) > 0).all()


@pytest.mark.parametrize("name", AREAS)
def test_the_shapefile_pair_comes_back(tmp_path, name):
    crater_file, area_file = write_shapefiles(tmp_path, name, CRATERS, AREAS[name])
    assert (crater_file.name, area_file.name) == (f"CRATER_{name}.shp", f"AREA_{name}.shp")
    rims = gpd.read_file(crater_file)
    assert {"Diam_km", "x_coord", "y_coord", "tag"} <= set(rims.columns)
    np.testing.assert_allclose(rims["Diam_km"], CRATERS["diameter_km"])
    area = read_area(area_file)
    assert area.area_km2 == pytest.approx(AREAS[name].area_km2, rel=1e-6)
    assert not area.notes
    # The rims, read as polygons, have the areas of the craters, also across ±180° and at the pole.
    polar = rims.to_crs("IAU_2015:30130")
    rims.iloc[:1].to_file(tmp_path / "one.gpkg")
    assert read_area(tmp_path / "one.gpkg").area_km2 == pytest.approx(
        np.pi * 15.061728**2, rel=1e-4
    )
    assert polar.geometry.is_valid.all()


def test_diameters_come_back(tmp_path):
    write_diam(tmp_path / "count.diam", CRATERS, AREAS["box"])
    count = read_craterstats(tmp_path / "count.diam")
    np.testing.assert_allclose(count.craters["diameter_km"], CRATERS["diameter_km"])
    assert count.area_km2 == pytest.approx(AREAS["box"].area_km2)
    count.require_places()


def test_the_commands_name_the_files_and_the_range_of_the_age(tmp_path):
    inside = CRATERS.assign(longitude_deg=-30.0, latitude_deg=30.0)
    choices = Choices(SYSTEMS["neukum1983"], MARE, age_min_km=4.0, age_max_km=40.0)
    write_craterstats(tmp_path, analyse(inside, AREAS["box"], choices))
    names = {file.name for file in tmp_path.iterdir()}
    states = {f"state_{s}.{kind}" for s in (1, 2) for kind in ("scc", "diam")}
    assert names == states | {"all.scc", "all.diam", "cumulative.cs", "differential.cs", "r.cs"}
    text = (tmp_path / "r.cs").read_text()
    assert "-pr R-plot" in text  # "rel" would draw a differential plot
    assert "range=[4,40],snap=0" in text
    assert "source=state_2.scc" in text
    assert "-cs moonneukum1983" in text
