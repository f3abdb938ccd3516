import sqlite3
from contextlib import closing
from dataclasses import replace
from xml.etree import ElementTree as xml

import geopandas as gpd
import numpy as np
import pandas as pd

from lunar_models.degradation.analysis import Choices, analyse
from lunar_models.degradation.area_files import read_area
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.export.methods import format_age, format_area, methods_paragraph, references
from lunar_models.export.region import write_exports, write_tables

AREA = bounds_area(170, -10, -170, 10)


def analysed(scheme=None):
    rng = np.random.default_rng(0)
    craters = pd.DataFrame(
        {
            "crater_id": [str(i) for i in range(200)],
            "longitude_deg": (rng.uniform(170, 190, 200) + 180) % 360 - 180,
            "latitude_deg": rng.uniform(-10, 10, 200),
            "diameter_km": rng.random(200) ** -0.5,
            "state": pd.array(rng.integers(1, 5, 200), dtype="Int64"),
        }
    )
    return analyse(craters, AREA, Choices(SYSTEMS["yue2022"], MARE, scheme=scheme))


def test_the_geopackage_opens_coloured_by_state_and_holds_the_area(tmp_path):
    write_exports(tmp_path, analysed())
    path = tmp_path / "craters.gpkg"
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT f_table_name, styleQML, useAsDefault FROM layer_styles")
        ((layer, qml, default),) = rows.fetchall()
    assert (layer, default) == ("craters", 1)
    renderer = xml.fromstring(qml).find("renderer-v2")
    assert renderer.get("attr") == "state"
    labels = [category.get("label") for category in renderer.iter("category")]
    assert labels == ["New", "Semi-New", "Semi-Old", "Old", "no state"]
    outline = gpd.read_file(path, layer="area")
    assert outline.crs.ellipsoid.semi_major_metre == 1_737_400.0
    outline.to_file(tmp_path / "area.gpkg")
    assert abs(read_area(tmp_path / "area.gpkg").area_km2 / AREA.area_km2 - 1) < 1e-9
    assert len(gpd.read_file(tmp_path / "craters.geojson")) == 200


def test_methods_name_the_runs_own_numbers_and_papers(tmp_path):
    write_tables(tmp_path, analysed())
    text = (tmp_path / "methods.md").read_text()
    assert "200 impact craters with their centres on" in text
    assert "Yue et al. (2022)" in text
    assert "New, Semi-New, Semi-Old, Old" in text
    assert "Fassett" not in text  # no ages of single craters here
    bib = (tmp_path / "references.bib").read_text()
    assert "@misc{yue2022" in bib
    assert "author = {Yue, Z. and Di, K. and Wan, W. and others}" in bib
    for name in ("age", "populations", "retention"):
        assert r"\toprule" in (tmp_path / f"{name}.tex").read_text()


def test_pseudo_log_bins_are_cited():
    whole = analysed()
    binned = replace(whole, choices=replace(whole.choices, binning="pseudo-log"))
    assert "pseudo-logarithmic bins of diameter (Michael, 2013)" in methods_paragraph(binned)
    assert "michael2013" in [paper.key for paper in references(binned)]
    assert "michael2013" not in [paper.key for paper in references(whole)]


def test_ages_are_rounded_to_their_error():
    assert format_age(3.4567, 3.42, 3.49) == "3.46 (3.42 to 3.49) Ga"
    assert format_age(0.0321, 0.029, 0.035) == "32 (29 to 35) Ma"


def test_areas_are_whole_kilometres_unless_small():
    assert format_area(4_106_294.6) == "4,106,295 km²"
    assert format_area(0.41239) == "0.4124 km²"


def test_a_region_without_an_age_is_exported_and_says_so(tmp_path):
    basins = analysed().craters.head(3).assign(diameter_km=[350.0, 420.0, 500.0])
    analysis = analyse(basins, AREA, Choices(SYSTEMS["neukum1983"], MARE))
    (tmp_path / "tables").mkdir()
    write_tables(tmp_path / "tables", analysis)
    write_exports(tmp_path, analysis)
    text = (tmp_path / "tables/methods.md").read_text()
    assert "There is no model age" in text
    assert "give a model age" not in text
    assert "poisson" not in (tmp_path / "craterstats/r.cs").read_text()
    assert format_age(np.nan, np.nan, np.nan) == "no age"
