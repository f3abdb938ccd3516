"""The server shows a release of any size, tile by tile, and what it says of each crater."""

import json
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from batch_job import job_config, write_moon
from helpers import make_crop_set_folder
from live_server import Live, live_server

from lunar_models.crops.crop_set import METADATA_FILE
from lunar_models.errors import CropSetError
from lunar_models.labelling import LabelStore
from serving.app.release import Release
from serving.app.tokens import create_token
from serving.batch.driver import classify_catalogue


@pytest.fixture(scope="module")
def moon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moon(tmp_path_factory.mktemp("release") / "moon")


@pytest.fixture(scope="module")
def release(moon: Path, bundle_folder: Path) -> Path:
    classify_catalogue(job_config(moon, bundle_folder, moon / "release"))
    return moon / "release"


@pytest.fixture(scope="module")
def table(release: Path) -> pd.DataFrame:
    return pd.read_parquet(release / "craters.parquet").set_index("crater_id")


@pytest.fixture(scope="module")
def server(
    moon: Path, release: Path, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    settings = {"release": str(release), "mosaic": str(moon / "mosaic.tif")}
    with live_server(tmp_path_factory.mktemp("map"), bundle_folder, **settings) as live:
        yield live


def test_tiles_hold_the_whole_release(server: Live, table: pd.DataFrame) -> None:
    said = server.get("/v1/release").json()
    assert said["craters"] == len(table) > 300
    counts = table["cluster_id"].value_counts()
    assert {int(k): v for k, v in said["clusters"].items()} == counts.to_dict()
    seen, whole = {}, 0
    for level in range(said["levels"]):
        for column in range(2 ** (level + 1)):
            for row in range(2**level):
                tile = server.get(f"/v1/tiles/{level}/{column}/{row}").json()
                whole += tile["count"] + tile["below"] if level == 0 else 0
                place = zip(tile["longitude_deg"], tile["latitude_deg"], strict=True)
                seen |= dict(zip(tile["crater_id"], place, strict=True))
                assert tile["count"] == len(tile["state"]) == len(tile["degradation"])
    assert whole == len(table)
    expected = table[["longitude_deg", "latitude_deg"]]
    assert set(seen) == set(table.index)
    np.testing.assert_array_equal([seen[name] for name in table.index], expected.to_numpy())


def test_a_crater_of_the_release_is_described_as_the_release_does(
    server: Live, table: pd.DataFrame
) -> None:
    for name in table.index[[0, 100, -1]]:
        crater, row = server.get(f"/v1/craters/{name}?top_k=4").json(), table.loc[name]
        said = crater["prediction"]
        assert crater["diameter_km"] == row["diameter_km"]
        assert said["state"]["label"] == str(row["state"])
        assert said["state"]["probabilities"]["2"] == pytest.approx(row["probability_2"])
        assert "|".join(said["state"]["conformal_set"]) == row["conformal_set"]
        assert said["degradation"]["score"] == pytest.approx(row["degradation"])
        assert said["cluster"]["id"] == row["cluster_id"]
        assert said["novelty"] == pytest.approx(row["novelty"])
        distances = [each["distance"] for each in said["similar"]]  # the model is the same
        assert len(distances) == 4
        assert distances == sorted(distances)
    small = table["diameter_km"].idxmin()
    image = server.get(f"/v1/craters/{small}/image.png")
    assert image.status_code == 200
    assert image.content.startswith(b"\x89PNG")


def test_a_crater_of_the_reference_set_is_still_answered_by_the_model(server: Live) -> None:
    crater = server.get("/v1/craters/00-1-000003").json()
    assert crater["prediction"]["model"]["name"] == "craters"
    assert crater["has_image"]


def test_another_model_names_nothing_alike(
    release: Path, taught: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    with live_server(tmp_path, taught, release=str(release)) as live:
        crater = live.get(f"/v1/craters/{table.index[0]}").json()
        assert crater["prediction"]["similar"] == []
        assert crater["prediction"]["state"]["label"] == str(table["state"].iloc[0])
        assert not crater["has_image"]
        assert live.get(f"/v1/craters/{table.index[0]}/image.png").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/tiles/0/2/0", 404),
        ("/v1/tiles/1/0/2", 404),
        ("/v1/tiles/15/0/0", 422),
        ("/v1/tiles/0/-1/0", 422),
        ("/v1/tiles/0/x/0", 422),
        ("/v1/craters/nobody", 404),
        ("/v1/craters/nobody/image.png", 404),
    ],
)
def test_what_is_nowhere_is_a_problem(server: Live, path: str, status: int) -> None:
    reply = server.get(path)
    assert reply.status_code == status
    assert reply.json()["status"] == status


def test_tiles_need_a_token_that_may_read(
    release: Path, bundle_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.json"
    token = create_token(file, name="reader", scopes=["read"])
    other = create_token(file, name="other", scopes=["metrics"])
    settings = {"release": str(release), "tokens": str(file)}
    with live_server(tmp_path, bundle_folder, **settings) as live:
        for path in ("/v1/release", "/v1/tiles/0/0/0"):
            assert live.get(path).status_code == 401
            bearer = {"authorization": f"Bearer {other}"}
            assert live.get(path, headers=bearer).status_code == 403
            bearer = {"authorization": f"Bearer {token}"}
            assert live.get(path, headers=bearer).status_code == 200


def test_without_a_release_there_are_no_tiles(bundle_folder: Path, tmp_path: Path) -> None:
    with live_server(tmp_path, bundle_folder) as live:
        assert live.get("/v1/tiles/0/0/0").json()["code"] == "no_release"
        assert live.get("/v1/model").json()["release_craters"] is None


def test_a_folder_that_is_no_release_is_refused(release: Path, tmp_path: Path) -> None:
    with pytest.raises(CropSetError, match=r"metadata\.json; make it with classify"):
        Release.open(tmp_path / "nowhere")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "metadata.json").write_bytes((release / "metadata.json").read_bytes())
    with pytest.raises(CropSetError, match="before releases had tiles"):
        Release.open(tmp_path / "old")


def test_a_tile_that_tells_states_is_a_look(
    moon: Path, release: Path, bundle_folder: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    """Whoever labels and has seen the map is no longer blind, on the craters that it showed."""
    crop_set = make_crop_set_folder(tmp_path / "crops", n=20)
    ids = [*sorted(table.index)[:5], *crop_set.metadata["crater_id"][5:]]
    metadata = gpd.read_parquet(crop_set.path / METADATA_FILE)
    metadata.assign(crater_id=ids).to_parquet(crop_set.path / METADATA_FILE)
    store, file = LabelStore(tmp_path / "labels.db"), tmp_path / "labelling.yaml"
    file.write_text(json.dumps({"crops": str(crop_set.path), "store": str(tmp_path / "labels.db")}))
    settings = {"release": str(release), "labelling": str(file)}
    with live_server(tmp_path, bundle_folder, **settings) as live:
        assert live.get("/v1/map").status_code == 200  # clusters alone
        assert store.looks().empty
        shown = set()
        for level in range(live.get("/v1/release").json()["levels"]):
            for column in range(2 ** (level + 1)):
                for row in range(2**level):
                    for _ in range(2):  # recorded once
                        tile = live.get(f"/v1/tiles/{level}/{column}/{row}").json()
                    shown |= set(tile["crater_id"]) & set(ids)
                    assert set(store.looks()["crater_id"]) == shown
    assert shown == set(ids[:5])
    looks = store.looks()
    assert len(looks) == 5
    assert set(zip(looks["labeller"], looks["shown"], strict=True)) == {("local", "guess")}
