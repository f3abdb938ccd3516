import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from lunar_models.degradation.analysis import analyse
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.degradation.population import read_population, state_names
from lunar_models.degradation.summaries import Choices
from lunar_models.errors import CatalogueError, LabelsError
from lunar_models.export.tables import write_geojson

TABLE = """crater_id,longitude_deg,latitude_deg,diameter_km,cluster_id,state,native_px
007,10,20,2,0,1,30
b,11,21,4,1,4,60
c,12,22,1,1,,15
"""


def write(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_cluster_table_keeps_its_states(tmp_path):
    craters, rejected = read_population(write(tmp_path, TABLE))
    assert rejected.empty
    assert craters["crater_id"].tolist() == ["007", "b", "c"]
    assert craters["state"].tolist()[:2] == [1, 4]
    assert craters["state"].isna().tolist() == [False, False, True]
    assert state_names(craters) == {1: "New", 4: "Old"}
    assert "k_m2" not in craters


@pytest.mark.parametrize("column", ["sun_azimuth_deg", "image_sun_azimuth_deg"])
def test_the_suns_azimuth_of_a_table_is_kept_for_maps(tmp_path, column):
    """Releases and clusters call it differently."""
    craters, _ = read_population(write(tmp_path, TABLE.replace("native_px", column)))
    assert craters["sun_azimuth_deg"].tolist() == [30.0, 60.0, 15.0]


@pytest.mark.parametrize("suffix", ["parquet", "gpkg", "geojson"])
def test_the_other_formats_of_a_table_say_the_same(tmp_path, suffix):
    table = pd.read_csv(write(tmp_path, TABLE), dtype={"crater_id": str})
    path = tmp_path / f"table.{suffix}"
    if suffix == "parquet":
        table.to_parquet(path)
    elif suffix == "geojson":
        write_geojson(path, table)
    else:
        points = gpd.points_from_xy(table["longitude_deg"], table["latitude_deg"])
        gpd.GeoDataFrame(table, geometry=points, crs="IAU_2015:30100").to_file(path)
    craters, _ = read_population(path)
    assert craters["state"].tolist()[:2] == [1, 4]
    assert craters["crater_id"].tolist() == ["007", "b", "c"]


def test_named_states_are_ranked(tmp_path):
    named = TABLE.replace(",0,1,30", ",0,New,30").replace(",1,4,60", ",1,Old,60")
    craters, _ = read_population(write(tmp_path, named))
    assert craters["state"].tolist()[:2] == [1, 4]
    assert state_names(craters) == {1: "New", 4: "Old"}


@pytest.mark.parametrize(("fresh", "old"), [("neu", "alt"), ("C1", "C3"), ("FRAIS", "dégradé")])
def test_states_in_other_words_are_ranked_as_the_user_says(tmp_path, fresh, old):
    named = TABLE.replace(",0,1,30", f",0,{fresh},30").replace(",1,4,60", f",1,{old},60")
    table = write(tmp_path, named)
    with pytest.raises(LabelsError, match="label_order"):
        read_population(table)
    craters, _ = read_population(table, label_order=[fresh, "mittel", old])
    assert craters["state"].tolist()[:2] == [1, 3]
    assert state_names(craters) == {1: fresh, 3: old}
    backwards, _ = read_population(table, label_order=[old, fresh])
    assert backwards["state"].tolist()[:2] == [2, 1]


def test_k_of_the_table_with_its_interval(tmp_path):
    text = "crater_id,longitude_deg,latitude_deg,diameter_km,k_m2,k_m2_low_68,k_m2_high_68\n"
    craters, _ = read_population(write(tmp_path, text + "a,0,0,2,50000,40000,60000\n"))
    row = craters.iloc[0]
    assert row[["k_m2", "k_m2_low", "k_m2_high"]].tolist() == [50_000, 40_000, 60_000]
    assert row["k_over_r2"] == 0.05  # R = 1000 m
    assert row["state"] == 3


def test_the_state_of_a_release_without_a_head_is_that_of_its_depths(tmp_path):
    text = "crater_id,longitude_deg,latitude_deg,diameter_km,physical_state,k_over_r2\n"
    craters, _ = read_population(write(tmp_path, text + "a,0,0,2,4,0.001\nb,0,1,2,1,0.2\n"))
    assert craters["state"].tolist() == [4, 1]


def test_depths_make_k_and_states(tmp_path):
    depths = write(tmp_path, "CRATER_ID,d_over_D\n007,0.1305\nb,0.21\nx,0.1\n", "depths.csv")
    craters, _ = read_population(
        write(tmp_path, TABLE.replace("state", "other")), depths=str(depths)
    )
    assert craters["k_over_r2"][0] == pytest.approx(0.05, rel=0.02)
    assert craters["k_m2"][0] == pytest.approx(0.05 * 1000**2, rel=0.02)
    assert craters["state"].tolist()[:2] in ([2, 1], [3, 1])
    assert np.isnan(craters["k_m2"][2])


def test_depths_of_complex_craters_make_states_but_no_k(tmp_path):
    """Copernicus, 93 km and 3.8 km deep, is fresh; diffusion of a bowl would call it Old."""
    text = "crater_id,longitude_deg,latitude_deg,diameter_km,d_over_D\n"
    craters, _ = read_population(write(tmp_path, text + "a,0,0,93,0.0409\nb,0,9,3,0.0409\n"))
    assert craters["state"].tolist() == [1, 4]
    assert craters["k_m2"].isna().tolist() == [True, False]
    analysis = analyse(craters, bounds_area(-5, -5, 5, 15), Choices(SYSTEMS["neukum1983"], MARE))
    assert any("1 craters of 93 km and larger have a depth but no K" in n for n in analysis.notes)


def test_a_label_table_replaces_the_states(tmp_path):
    labels = write(tmp_path, "CRATER_ID,state\n007,Old\nb,New\n", "labels.csv")
    craters, _ = read_population(write(tmp_path, TABLE), states=str(labels))
    assert craters["state"].tolist()[:2] == [4, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CRATER_ID,depth\na,1\n", "no column depth_over_diameter"),
        ("CRATER_ID,d_over_D\nzz,0.1\n", "none of the 3 craters"),
        ("CRATER_ID,d_over_D\n007,150\nb,90\n", "reach 150"),
        ("CRATER_ID,d_over_D\n007,0.43\nb,0.8\n", "reach 0.8 .* it may hold a depth"),
        ("CRATER_ID,d_over_D\nb,0.1\nb,0.2\n", "repeated CRATER_ID"),
    ],
)
def test_faults_of_a_table_of_depths_are_named(tmp_path, text, message):
    depths = write(tmp_path, text, "depths.csv")
    with pytest.raises(LabelsError, match=message):
        read_population(write(tmp_path, TABLE), depths=str(depths))


def test_labels_of_other_craters_are_refused(tmp_path):
    labels = write(tmp_path, "CRATER_ID,state\nzz,1\n", "labels.csv")
    with pytest.raises(LabelsError, match="none of the 3 craters"):
        read_population(write(tmp_path, TABLE), states=str(labels))


@pytest.mark.parametrize(
    ("separator", "decimal", "suffix"), [(";", ".", "csv"), (";", ",", "csv"), ("\t", ".", "tsv")]
)
def test_states_and_k_are_read_with_the_catalogues_own_separators(
    tmp_path, separator, decimal, suffix
):
    table = pd.DataFrame(
        {
            "crater_id": ["007", "b"], "longitude_deg": [1.5, 2.5], "latitude_deg": [0.5, 1.5],
            "diameter_km": [2.0, 4.5], "state": [1, 4], "k_m2": [1000.5, 2000.5],
        }
    )  # fmt: skip
    path = tmp_path / f"table.{suffix}"
    table.to_csv(path, index=False, sep=separator, decimal=decimal)
    craters, _ = read_population(path)
    assert craters["state"].tolist() == [1, 4]
    assert craters["k_m2"].tolist() == [1000.5, 2000.5]


COLUMNS = "crater_id,longitude_deg,latitude_deg,diameter_km,"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("state\na,0,0,2,0\nb,0,1,2,1", LabelsError, "has the state 0; .* from 1"),
        ("state\na,0,0,2,-1", LabelsError, "has the state -1"),
        ("state\na,0,0,2,1.5", LabelsError, "has the state 1.5"),
        ("state\na,0,0,2,57", LabelsError, "has the state 57"),
        ("state\na,0,0,2,fresh-ish", LabelsError, "order of the states"),
        ("state,state_name\na,0,0,2,1,A\nb,0,1,2,1,B", LabelsError, "state 1 by several names"),
        ("k_over_r2\na,0,0,2,inf", CatalogueError, "k_over_r2 has the value inf"),
        ("k_m2\na,0,0,2,-5", CatalogueError, "k_m2 has the value -5"),
        ("k_m2\na,0,0,2,much", CatalogueError, "'much' is not a number"),
        ("k_m2,k_m2_low_68,k_m2_high_68\na,0,0,2,5,6,4", CatalogueError, "outside its interval"),
        ("d_over_D\na,0,0,2,15\nb,0,1,2,12", LabelsError, "reach 15 diameters"),
    ],
)
def test_faults_of_a_tables_own_columns_are_named(tmp_path, text, error, message):
    with pytest.raises(error, match=message):
        read_population(write(tmp_path, COLUMNS + text + "\n"))


def test_states_need_the_craters_ids(tmp_path):
    with pytest.raises(CatalogueError, match="no column crater_id"):
        read_population(write(tmp_path, "id,lon,lat,diameter_km,state\n1,0,0,2,1\n"))


def test_what_is_not_measured_is_unknown(tmp_path):
    text = COLUMNS + "k_m2,k_over_r2,d_over_D\na,0,0,2,,0.05,-0.01\nb,0,1,2,,0.05,0.1\n"
    craters, _ = read_population(write(tmp_path, text))
    assert craters["k_m2"].tolist() == [50_000, 50_000]  # an empty column of K is none
    assert np.isnan(craters["depth_over_diameter"][0])  # no crater is a hill


def test_a_label_table_makes_the_tables_own_states_irrelevant(tmp_path):
    labels = write(tmp_path, "CRATER_ID,state\na,Old\n", "labels.csv")
    text = COLUMNS + "state\na,0,0,2,0\n"
    craters, _ = read_population(write(tmp_path, text), states=str(labels))
    assert craters["state"].tolist() == [4]
