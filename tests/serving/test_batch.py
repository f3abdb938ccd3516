"""A catalogue is classified with the same bytes whatever happens on the way, or refused."""

import json
from dataclasses import replace

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from batch_job import COUNT, job_config, release_digests

from lunar_models.config.classify import crop_parameters
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.sun.estimation import sun_table
from lunar_models.embedding import compute_outputs, embed_crops
from lunar_models.errors import CropSetError
from lunar_models.heads.physical import PhysicalPrediction, ResidualTable
from lunar_models.labelling.tags import TagStore
from serving.batch import answers, columns, tasks
from serving.batch.driver import classify_catalogue, classify_share, merge_shares
from serving.batch.job import share_out
from serving.model.bundle import Bundle

pytestmark = pytest.mark.usefixtures("small_units")


def nothing(progress):
    pass


@pytest.mark.parametrize("shards", [3, 17])
def test_bytes_do_not_depend_on_the_number_of_shards(
    moon, bundle_folder, release, tmp_path, shards
):
    seen = []
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=shards)
    classify_catalogue(config, report=seen.append)
    assert release_digests(tmp_path / "release") == release_digests(release)
    assert not (tmp_path / "release.partial").exists()
    assert {p.shards for p in seen} == {shards}
    assert seen[-1].craters_done == seen[-1].craters > 400


def test_crops_are_those_of_preprocess(moon, bundle_folder, release, tmp_path, monkeypatch):
    """Same pixels, same side of the Sun, same quality, wherever the shards end."""
    shown = {}
    answer = answers.Answerer.answer

    def noting(self, crops, craters):
        shown.update(zip(craters["crater_id"], crops.copy(), strict=True))
        return answer(self, crops, craters)

    monkeypatch.setattr(answers.Answerer, "answer", noting)
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=5)
    classify_catalogue(config)
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=config.mosaic,
            catalogue=config.catalogue,
            output=str(tmp_path / "crops"),
            crop_size_px=32,
            max_overlap_larger=0.9,
        )
    )
    assert set(shown) == set(crop_set.metadata["crater_id"])
    expected = dict(zip(crop_set.metadata["crater_id"], crop_set.crops, strict=True))
    assert all(np.array_equal(shown[name], expected[name]) for name in shown)
    said = pd.read_parquet(release / "craters.parquet").set_index("crater_id")
    known = crop_set.metadata.drop(columns="split").set_index("crater_id")
    pd.testing.assert_frame_equal(said[known.columns].sort_index(), known.sort_index())


def test_crops_that_are_turned_for_the_sun_do_not_depend_on_the_shards(
    moon, bundle_folder, tmp_path, monkeypatch
):
    def found(craters, evidence, *, workers=1):
        assert evidence.shape == (len(craters), 2)
        return sun_table(
            3.0 * craters["longitude_deg"].to_numpy() % 360.0,
            std_deg=5.0,
            confidence=0.9,
            incidence_deg=np.nan,
        )

    monkeypatch.setattr(tasks, "find_sun", found)
    for shards in (1, 11):
        output = tmp_path / str(shards)
        classify_catalogue(job_config(moon, bundle_folder, output, shards=shards))
    assert release_digests(tmp_path / "1") == release_digests(tmp_path / "11")
    table = pd.read_parquet(tmp_path / "1" / "craters.parquet")
    assert (table["rotation_deg"].abs() > 5).mean() > 0.8
    monkeypatch.setattr("lunar_models.cropping.extraction.find_sun", found)
    config = job_config(moon, bundle_folder, tmp_path / "crops")
    crop_set = make_crop_set(crop_parameters(config, crop_size_px=32, context_diameters=1.5))
    known = crop_set.metadata.drop(columns="split").set_index("crater_id").sort_index()
    said = table.set_index("crater_id").sort_index()
    pd.testing.assert_frame_equal(said[known.columns], known)


def test_answers_are_those_of_the_model(moon, bundle_folder, release, tmp_path):
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=(str(moon / "mosaic.tif"),),
            catalogue=str(moon / "craters.csv"),
            output=str(tmp_path / "crops"),
            crop_size_px=32,
            max_overlap_larger=0.9,
        )
    )
    bundle = Bundle.load(bundle_folder)
    embeddings = embed_crops(bundle.checkpoint, crop_set.crops, device="cpu")
    names = crop_set.metadata["crater_id"]
    table = pd.read_parquet(release / "craters.parquet").set_index("crater_id").loc[names]
    stored = pd.read_parquet(release / "embeddings.parquet").set_index("crater_id").loc[names]
    np.testing.assert_allclose(np.stack(stored["embedding"]), embeddings, rtol=2e-3, atol=2e-3)
    head, clusters = bundle.head.predict(embeddings), bundle.clusters.assign(embeddings)
    np.testing.assert_allclose(table["probability_2"], head.probabilities[:, 1], atol=1e-5)
    np.testing.assert_allclose(table["degradation"], head.score, atol=1e-5)
    np.testing.assert_allclose(table["novelty"], clusters.novelty, atol=1e-4)
    assert (table["cluster_id"].to_numpy() == clusters.cluster_id).mean() > 0.99
    inside = [set(text.split("|")) for text in table["conformal_set"]]
    assert inside == [{str(k + 1) for k in np.flatnonzero(row)} for row in head.conformal_set]
    low = [(min(map(int, states)) - 1) / 3 for states in inside]
    np.testing.assert_allclose(table["degradation_low"], low, atol=1e-6)
    assert (table["degradation_low"] <= table["degradation_high"]).all()


def test_physical_quantities_come_with_their_intervals(bundle_folder, parts, monkeypatch):
    def measured(checkpoint, crops, *, device):
        physics = np.zeros((len(crops), 2, 2), np.float32)
        physics[:, :, 0] = np.log([0.05, 0.2])
        physics[:, :, 1] = 0.1
        normal = ResidualTable(np.array([0.025, 0.5, 0.975]), np.array([[-2.0, 0.0, 2.0]] * 2))
        told = compute_outputs(checkpoint, crops, device=device)
        return replace(told, physical=PhysicalPrediction.of(physics, normal))

    monkeypatch.setattr(answers, "compute_outputs", measured)
    answerer = answers.Answerer.load(bundle_folder, "cpu")
    metadata = parts.crop_set.metadata.reindex(columns=list(columns.KNOWN)).iloc[:5]
    table, _ = answerer.answer(parts.crop_set.crops[:5], metadata)
    found = table.to_pandas()
    np.testing.assert_allclose(found["k_over_r2_high_95"], 0.05 * np.exp(0.2), rtol=1e-5)
    np.testing.assert_allclose(
        found["k_m2"], 0.05 * (500 * metadata["diameter_km"].to_numpy()) ** 2, rtol=1e-5
    )
    said = {column["name"]: column for column in columns.describe(answerer.schema)}
    assert said["k_m2_low_68"]["unit"] == "m2"
    assert said["depth_over_diameter_low_95"]["description"].endswith(
        "low end of the 95 % interval."
    )
    assert table.schema.names == [*said, "embedding"]


def test_release_is_read_by_others_and_describes_itself(release):
    points = gpd.read_parquet(release / "craters.parquet")
    assert points.crs.to_authority() == ("IAU_2015", "30100")
    np.testing.assert_array_equal(points.geometry.x, points["longitude_deg"])
    said = json.loads((release / "metadata.json").read_text())
    assert said["counts"]["craters"] == len(points)
    assert said["counts"]["craters"] + said["counts"]["rejected"] == COUNT
    assert said["counts"]["rejected_by_reason"] == {
        "overlap_larger above 0.9": said["counts"]["rejected"]
    }
    assert [column["name"] for column in said["columns"]] == list(points.columns[:-1])
    found = release_digests(release)
    assert all(found[name] == file["sha256"] for name, file in said["files"].items())
    kind = pq.read_schema(release / "embeddings.parquet").field("embedding").type
    assert (str(kind.value_type), kind.list_size) == ("halffloat", said["embedding"]["length"])
    query = (
        "select count(*), max(abs(e.embedding[1])) from read_parquet(?) c "
        "join read_parquet(?) e using (crater_id) where c.state between 1 and 4"
    )
    files = [str(release / f"{name}.parquet") for name in ("craters", "embeddings")]
    count, most = duckdb.execute(query, files).fetchone()
    assert count == len(points)
    assert 0 < most < 65504


def test_tags_are_columns_of_a_release_whatever_the_shards(moon, bundle_folder, release, tmp_path):
    craters = pd.read_parquet(release / "craters.parquet")
    ids = craters["crater_id"]
    store = TagStore(tmp_path / "tags.db")
    said = {"positives": ids[:3].tolist(), "negatives": ids[3:5].tolist()}
    store.add("rayed", **said, labeller="ada", model="m 1")
    config = job_config(moon, bundle_folder, tmp_path / "out", tags=str(tmp_path / "tags.db"))
    for number in (2, 1):
        classify_share(config, f"{number}/2", report=nothing)
    merge_shares(config)
    tagged = pq.read_table(tmp_path / "out" / "craters.parquet")
    assert tagged["tag_rayed"].to_pylist() == [True] * 3 + [False] * 2 + [None] * (len(ids) - 5)
    assert tagged.drop_columns("tag_rayed").to_pandas().equals(craters)
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert metadata["columns"][-1]["name"] == "tag_rayed"
    assert "rejected (false) that it is rayed" in metadata["columns"][-1]["description"]
    assert classify_catalogue(config) == metadata  # nothing is done again
    store.add("rayed", positives=ids[5:6].tolist(), negatives=[], labeller="ada", model="m 1")
    store.close()
    with pytest.raises(CropSetError, match=r"another tags. Delete it"):
        classify_catalogue(config)


def test_shards_are_whole_units_of_about_equal_size():
    class Unit:
        def __init__(self, stop):
            self.stop = stop

    units = [Unit(stop) for stop in (10, 20, 30, 37, 47, 50)]
    assert share_out(units, 1) == [(0, 50)]
    assert share_out(units, 2) == [(0, 30), (30, 50)]
    assert share_out(units, 100) == [(0, 10), (10, 20), (20, 30), (30, 37), (37, 47), (47, 50)]
