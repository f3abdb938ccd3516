"""The steps after training, on the small planted crop set, as MLflow shows them."""

import io
import json
import math

import geopandas as gpd
import mlflow
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine

from lunar_models.crops.crop_set import METADATA_FILE, CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.pca import PcaEncoder
from lunar_models.labelling.tags import TagStore
from steps.cluster import main as cluster
from steps.compare import find_evaluation
from steps.compare import main as compare
from steps.evaluate import main as evaluate
from steps.evaluate import reconstruction_error
from steps.register import main as register
from steps.shared.registry import example, find_encoder
from steps.train import main as train


@pytest.fixture
def encoder_uri(run_step, last_run, crop_set):
    run_step(train, crops=crop_set.path, encoder="pca", latent_dim=5, registered_model="none")
    return last_run().data.tags["output.encoder_uri"]


@pytest.fixture
def labels(crop_set, tmp_path):
    """States by the contrast of each crop: what every encoder must find."""
    contrast = crop_set.crops.reshape(len(crop_set), -1).std(axis=1)
    states = pd.qcut(-contrast, 4, labels=[1, 2, 3, 4])
    file = tmp_path / "labels.csv"
    pd.DataFrame({"CRATER_ID": crop_set.metadata["crater_id"], "state": states}).to_csv(
        file, index=False
    )
    return file


@pytest.fixture
def mosaic(tmp_path):
    """All of the Moon, coarsely."""
    degree = np.radians(10) * 1_737_400
    file = tmp_path / "mosaic.tif"
    with rasterio.open(
        file, "w", driver="GTiff", width=36, height=18, count=1, dtype="uint8",
        crs="IAU_2015:30110", transform=Affine(degree, 0, -18 * degree, 0, -degree, 9 * degree),
    ) as raster:  # fmt: skip
        raster.write(np.full((18, 36), 90, np.uint8), 1)
    return file


def tags(run):
    return run.data.tags


def paths(run, folder):
    return {a.path.removeprefix(folder + "/") for a in mlflow.MlflowClient().list_artifacts(
        run.info.run_id, folder)}  # fmt: skip


def table(run, name, **options):
    return pd.read_csv(io.StringIO(mlflow.artifacts.load_text(
        f"runs:/{run.info.run_id}/{name}")), **options)  # fmt: skip


@pytest.fixture
def tag_file(crop_set, tmp_path):
    """The first two craters are rayed, the third is not; one more is of another crop set."""
    ids = crop_set.metadata["crater_id"].tolist()
    store = TagStore(tmp_path / "tags.db")
    store.add("rayed", positives=[*ids[:2], "elsewhere"], negatives=ids[2:3], labeller="ada",
              model="m 1")  # fmt: skip
    store.close()
    return tmp_path / "tags.db"


def _check_tags(folder, clusters):
    """Every table has the column: true, false, or nothing where nobody said."""
    opened = {
        "csv": clusters,
        "parquet": pd.read_parquet(f"{folder}/clusters.parquet"),
        "geojson": gpd.read_file(f"{folder}/clusters.geojson"),
        "gpkg": gpd.read_file(f"{folder}/clusters.gpkg", layer="clusters"),
    }
    for form, table in opened.items():
        said = table["tag_rayed"]
        assert said[:3].astype(bool).tolist() == [True, True, False], form
        assert said[3:].isna().all(), form


def test_from_encoder_to_served_model(
    run_step, last_run, crop_set, encoder_uri, labels, mosaic, tag_file
):
    common = {"crops": crop_set.path, "encoder_uri": encoder_uri}
    assert run_step(evaluate, **common, labels=labels, bootstrap=20, folds=3).exit_code == 0
    evaluated = last_run()
    assert evaluated.data.metrics["probe/linear_balanced_accuracy"] > 0.6
    assert evaluated.data.metrics["reconstruction/mse"] > 0
    assert {"audit.png", "confusion.png", "metrics.png"} <= paths(evaluated, "figures")
    assert len(table(evaluated, "tables/predictions.csv")) == len(crop_set)

    head = tags(evaluated)["output.head"]
    assert run_step(
        cluster, **common, head=head, n_clusters=3, stability_rounds=2, views="pca", mosaic=mosaic,
        tags=tag_file,
    ).exit_code == 0  # fmt: skip
    clustered = last_run()
    clusters = table(clustered, "tables/clusters.csv", dtype={"crater_id": str})
    assert list(clusters["crater_id"]) == list(crop_set.metadata["crater_id"])
    assert set(clusters["cluster_id"]) == {0, 1, 2}
    # cluster 0 is the freshest, and each crater carries the label that was given to it
    assert clusters.groupby("cluster_id")["degradation"].median().is_monotonic_increasing
    given = clusters.set_index("crater_id")["given_label"].dropna()
    predicted = table(evaluated, "tables/predictions.csv", dtype={"crater_id": str, "state": str})
    assert given.astype(str).to_dict() == predicted.set_index("crater_id")["state"].to_dict()
    assert {"conformal_set", "abstained"} <= {*clusters.columns}
    assert np.allclose(clusters.filter(like="probability_").sum(axis=1), 1, atol=1e-5)
    assert {"gallery.png", "map_dots.png", "pca_dots.png", "pca_thumbnails.png"} <= paths(
        clustered, "figures"
    )
    assert {"map_states.png", "map_degradation.png"} <= paths(clustered, "figures")
    ranked = table(clustered, "tables/freshest.csv", dtype={"crater_id": str})
    assert ranked["degradation"].is_monotonic_increasing
    assert set(ranked["crater_id"]) == set(clusters["crater_id"])
    assert "<html" in mlflow.artifacts.load_text(f"runs:/{clustered.info.run_id}/explore.html")
    populations = table(clustered, "analysis/tables/populations.csv")
    assert populations["craters"][0] == populations["craters"][1:].sum() == len(crop_set)
    assert {"csfd_r.png", "area_map.png"} <= paths(clustered, "analysis/figures")
    assert {"craterstats", "craters.gpkg"} <= paths(clustered, "analysis/exports")
    assert clustered.data.metrics["analysis/area/km2"] == pytest.approx(4 * np.pi * 1737.4**2)
    local = mlflow.artifacts.download_artifacts(f"runs:/{clustered.info.run_id}/tables")
    _check_tags(local, clusters)
    embeddings = pd.read_parquet(f"{local}/embeddings.parquet")
    direct = embed_crops(Checkpoint.load(find_encoder(encoder_uri)), crop_set.crops)
    np.testing.assert_array_equal(np.stack(embeddings["embedding"]), direct)

    parts = {"head": head, "clusters": tags(clustered)["output.clusters"]}
    assert run_step(register, **common, **parts).exit_code == 0
    model = mlflow.pyfunc.load_model("models:/lunar-craters@champion")
    crop = crop_set.crops[7]
    [answer] = model.predict([{**example(crop)[0], "sun_side": "east"}])
    np.testing.assert_allclose(answer["embedding"], direct[7], rtol=1e-4, atol=1e-5)
    assert answer["cluster"]["id"] == clusters["cluster_id"][7]
    assert answer["model"] == {
        **answer["model"], "name": "lunar-craters", "version": "1",
    }  # fmt: skip
    version = mlflow.MlflowClient().get_model_version_by_alias("lunar-craters", "champion")
    assert version.tags["crops_digest"] == crop_set.info.digest
    assert version.tags["head_uri"] == head
    assert len(version.tags) < 8
    registered = mlflow.MlflowClient().get_registered_model("lunar-craters")
    assert registered.description.startswith("The served model")
    judged = table(evaluated, "tables/intervals.csv").set_index("metric").loc["head/qwk"]
    kappa = f"{judged['value']:.4f} [{judged['low']:.4f}, {judged['high']:.4f}]"
    lineage = model.metadata.metadata["lineage"]
    assert lineage["evaluation_run"] == evaluated.info.run_id
    assert lineage["evaluation_digest"] == tags(evaluated)["evaluation_digest"]
    assert version.tags["head/qwk"] == kappa
    assert kappa in version.description
    json.dumps(answer)  # what REST returns is plain JSON


def test_compare_pairs_runs_and_refuses_other_data(
    run_step, last_run, crop_set, encoder_uri, labels
):
    common = {"crops": crop_set.path, "encoder_uri": encoder_uri, "labels": labels}
    ids = []
    for folds in (3, 3, 4):
        run_step(evaluate, **common, bootstrap=20, folds=folds)
        ids.append(last_run().info.run_id)
    same = run_step(compare, runs=f"{ids[0]},{ids[1]}", bootstrap=20)
    assert same.exit_code == 0
    assert f"Differences from {ids[0]}, the reference" in same.output
    differences = table(last_run(), "tables/differences.csv")
    assert (differences["difference"].abs() < 1e-12).all()
    named = run_step(compare, runs=f"evaluate-pca,{ids[0]}", bootstrap=20)
    assert named.exit_code == 2
    assert "3 runs are called 'evaluate-pca'" in named.output
    assert all(run_id in named.output for run_id in ids)
    other = run_step(compare, runs=f"{ids[0]},{ids[2]}", bootstrap=20)
    assert other.exit_code == 2
    assert "on other craters, states or folds" in other.output


@pytest.mark.parametrize(
    "name", ["models:/nope/1", "0" * 32, "no-such-run", "Tycho's", 'say "Tycho"', "models:/it's/1"]
)
def test_compare_names_what_is_no_evaluation(run_step, name):
    result = run_step(compare, runs=f"{name},x", bootstrap=20)
    assert result.exit_code == 2
    assert f"{name!r} names no evaluation with labels" in result.output
    assert "Traceback" not in result.output


def test_compare_cannot_search_both_quotation_marks(run_step):
    result = run_step(compare, runs='Tycho\'s "best",x', bootstrap=20)
    assert result.exit_code == 2
    assert "give a run id" in result.output


@pytest.mark.parametrize("name", ["Tycho's", 'say "Tycho"'])
def test_an_evaluation_is_found_by_a_name_with_a_quotation_mark(store, name):
    tags = {"step": "evaluate", "evaluation_digest": "d"}
    with mlflow.start_run(run_name=name, tags=tags) as run:
        pass
    found = find_evaluation(name, run.info.experiment_id)
    assert found.info.run_id == run.info.run_id


def test_without_test_crops_there_is_no_reconstruction_error(crop_set):
    checkpoint = Checkpoint.for_crops(
        PcaEncoder(crop_size_px=crop_set.info.crop_size_px, latent_dim=2), crop_set
    )
    crop_set.metadata.assign(split="train").to_parquet(crop_set.path / METADATA_FILE)
    assert math.isnan(reconstruction_error(checkpoint, CropSet.open(crop_set.path)))


def test_labels_of_unknown_craters(run_step, crop_set, tmp_path):
    file = tmp_path / "strange.csv"
    file.write_text("CRATER_ID,state\nnobody-1,1\nnobody-2,2\n")
    # Said before the encoder is looked for, let alone run over a million crops.
    result = run_step(evaluate, crops=crop_set.path, encoder_uri="models:/nobody/1", labels=file)
    assert result.exit_code == 2
    assert "None of the 2 labels can be used" in result.output
    assert "nobody-1" in result.output
    assert "Give labels of the craters in this crop set" in result.output


def test_labels_are_read_before_the_crops_are_embedded(run_step, crop_set, tmp_path):
    nowhere = tmp_path / "nowhere.csv"
    result = run_step(evaluate, crops=crop_set.path, encoder_uri="models:/nobody/1", labels=nowhere)
    assert result.exit_code == 2
    assert "nowhere.csv cannot be read as a label table" in result.output


def test_encoder_that_is_not_there(run_step, crop_set):
    result = run_step(evaluate, crops=crop_set.path, encoder_uri="models:/nobody/1")
    assert result.exit_code == 2
    assert "models:/nobody/1" in result.output
