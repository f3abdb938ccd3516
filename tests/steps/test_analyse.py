"""The analyse step: counts, ages and exports of a region, and messages for bad input."""

import geopandas as gpd
import mlflow
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

from lunar_models.catalogue.craterstats import read_craterstats
from lunar_models.labelling.tags import TagStore
from steps.analyse import main


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(0)
    count = 400
    table = pd.DataFrame(
        {
            "crater_id": [f"{i:04d}" for i in range(count)],
            "longitude_deg": rng.uniform(170, 190, count),
            "latitude_deg": rng.uniform(-10, 10, count),
            "diameter_km": 1.0 / np.sqrt(rng.random(count)),
            "state": rng.integers(1, 5, count),
            "k_m2": rng.uniform(1e3, 1e5, count),
        }
    )
    table["longitude_deg"] = (table["longitude_deg"] + 180) % 360 - 180
    table.to_csv(tmp_path / "clusters.csv", index=False)
    area = gpd.GeoDataFrame(geometry=[shapely.box(170, -10, 190, 10)], crs="IAU_2015:30100")
    area.to_file(tmp_path / "area.gpkg")
    return tmp_path


def run(tmp_path, *arguments):
    return CliRunner().invoke(main, [f"--table={tmp_path / 'clusters.csv'}", *arguments])


def test_relative_paths_are_those_of_the_caller(inputs, store, monkeypatch):
    """As in a pipeline that `mlflow run` starts from another folder than the project's."""
    monkeypatch.setattr(
        "steps.shared.store.enter_callers_folder", lambda: monkeypatch.chdir(inputs)
    )
    result = CliRunner().invoke(main, ["--table=clusters.csv", "--area=area.gpkg"])
    assert result.exit_code == 0, result.output


def test_a_region_is_counted_dated_and_exported(inputs, store):
    result = run(inputs, f"--area={inputs / 'area.gpkg'}", "--figure_format=svg")
    assert result.exit_code == 0, result.output
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")
    (done,) = [r for r in found if r.data.tags["step"] == "analyse"]
    assert done.data.metrics["craters/count"] == 400
    assert done.data.metrics["area/km2"] == pytest.approx(365_937.758, rel=1e-6)
    assert 0 < done.data.metrics["age/low_ga"] < done.data.metrics["age/ga"] < 4.6
    folder = inputs / "downloaded"
    mlflow.artifacts.download_artifacts(run_id=done.info.run_id, dst_path=str(folder))
    count = read_craterstats(folder / "exports/craterstats/all.scc")
    assert len(count.craters) == 400
    assert count.area_km2 == pytest.approx(365_937.758, rel=1e-6)
    layers = gpd.list_layers(folder / "exports/craters.gpkg")
    assert {"area", "craters"} <= set(layers["name"])
    assert len(gpd.read_file(folder / "exports/cratertools/CRATER_state_1.shp")) > 50
    for name in ("csfd_cumulative", "csfd_r", "area_map", "retention", "k_by_diameter"):
        assert (folder / f"figures/{name}.png").stat().st_size > 5000
        assert b"<svg" in (folder / f"print/{name}.svg").read_bytes()
    assert "Neukum (1983)" in (folder / "tables/methods.md").read_text()
    assert "@misc{neukum1983" in (folder / "tables/references.bib").read_text()
    populations = pd.read_csv(folder / "tables/populations.csv")
    assert populations["craters"].iloc[0] == populations["craters"].iloc[1:].sum() == 400


def test_rows_that_are_no_craters_are_told(inputs, store):
    table = pd.read_csv(inputs / "clusters.csv", dtype={"crater_id": str})
    table.loc[[3, 5], "diameter_km"] = [np.nan, -2.0]
    table.loc[[7, 8], "state"] = np.nan
    table.to_csv(inputs / "clusters.csv", index=False)
    result = run(inputs, "--bounds_deg=170,-10,-170,10")
    assert result.exit_code == 0, result.output
    assert "2 of 400 rows of the catalogue are left out, such as crater 0003 (diam" in result.output
    assert "398 craters on" in result.output
    assert "States are known of 396 of 398 craters" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "The counting area is unknown"),
        (["--bounds_deg=0,0,10"], "give west,south,east,north"),
        (["--bounds_deg=0,0,10,10"], "None of the 400 craters"),
        (["--bounds_deg=160,-20,-160,20", "--age_min_km=5", "--age_max_km=2"], "not below"),
        (["--area=missing.gpkg"], "missing.gpkg"),
    ],
)
def test_what_cannot_be_analysed_ends_with_a_message(inputs, store, arguments, message):
    result = run(inputs, *arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("source", ["table", "database"])
def test_tags_are_in_the_exports(inputs, store, source):
    table = pd.read_csv(inputs / "clusters.csv", dtype={"crater_id": "str"})
    ids, more = table["crater_id"], []
    if source == "table":  # as cluster and classify write them
        said = [True, False, *[None] * (len(table) - 2)]
        table.assign(tag_rayed=said).to_csv(inputs / "clusters.csv", index=False)
    else:
        tags = TagStore(inputs / "labels.db")
        tags.add("rayed", positives=[ids[0]], negatives=[ids[1]], labeller="ada", model="m")
        tags.close()
        more = [f"--tags={inputs / 'labels.db'}"]
    result = run(inputs, f"--area={inputs / 'area.gpkg'}", *more)
    assert result.exit_code == 0, result.output
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")
    (done,) = [r for r in found if r.data.tags["step"] == "analyse"]
    folder = mlflow.artifacts.download_artifacts(
        run_id=done.info.run_id, artifact_path="exports", dst_path=str(inputs / "downloaded")
    )
    exported = {
        "csv": pd.read_csv(f"{folder}/craters.csv", dtype={"crater_id": "str"}),
        "gpkg": gpd.read_file(f"{folder}/craters.gpkg", layer="craters"),
        "geojson": gpd.read_file(f"{folder}/craters.geojson"),
        "robbins": pd.read_csv(f"{folder}/robbins.csv", dtype={"CRATER_ID": "str"}).rename(
            columns={"CRATER_ID": "crater_id", "TAG_RAYED": "tag_rayed"}
        ),
    }
    for name, written in exported.items():
        rayed = written.set_index("crater_id")["tag_rayed"]
        assert (bool(rayed[ids[0]]), bool(rayed[ids[1]])) == (True, False), name
        assert rayed.isna().sum() == len(table) - 2, name


def test_a_tag_that_is_neither_true_nor_false(inputs, store):
    table = pd.read_csv(inputs / "clusters.csv", dtype={"crater_id": "str"})
    table.assign(tag_rayed="perhaps").to_csv(inputs / "clusters.csv", index=False)
    result = run(inputs, f"--area={inputs / 'area.gpkg'}")
    assert result.exit_code == 2
    assert "column tag_rayed: 'perhaps' is neither true nor false" in result.output
