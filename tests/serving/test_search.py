"""Search by examples over HTTP: ranked, bounded, and kept as a tag."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from live_server import Live, live_server
from service_parts import Parts

from lunar_models.labelling import LabelStore
from lunar_models.labelling.appearance import appearance, search_features
from lunar_models.labelling.tags import TagStore
from lunar_models.neighbours import NeighbourIndex
from serving.app.routes.search import Searchable
from serving.app.tokens import create_token


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("search")
    with live_server(folder, bundle_folder, tags=str(folder / "tags.db")) as live:
        yield live


@pytest.fixture(scope="module")
def ids(parts: Parts) -> list[str]:
    return list(parts.crop_set.metadata["crater_id"])


def found(reply) -> tuple[dict, list[dict]]:
    assert reply.status_code == 200, reply.text
    head, *rest = map(json.loads, reply.text.splitlines())
    return head, rest


def test_the_whole_catalogue_is_ranked_without_the_examples(server: Live, ids: list[str]) -> None:
    body = {"positives": ids[:3], "negatives": ids[3:5], "limit": 5000}
    head, rest = found(server.post("/v1/search", json=body))
    assert head["total"] == len(ids)
    assert head["fit_ms"] < 5000
    assert head["model"]["name"]
    assert sorted(one["crater_id"] for one in rest) == sorted(ids[5:])
    scores = [one["score"] for one in rest]
    assert scores == sorted(scores, reverse=True)


def test_the_limit_holds(server: Live, ids: list[str]) -> None:
    _, rest = found(server.post("/v1/search", json={"positives": ids[:1], "limit": 4}))
    assert len(rest) == 4


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"positives": []}, 422),
        ({"limit": 5001}, 422),
        ({"positives": ["x"] * 2001}, 422),
        ({"positives": ["nowhere"]}, 404),
        ({"more": 1}, 422),
    ],
)
def test_bad_searches_are_refused(server: Live, ids: list[str], change: dict, status: int) -> None:
    reply = server.post("/v1/search", json={"positives": ids[:1]} | change)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("application/problem+json")


def test_an_example_cannot_be_on_both_sides(server: Live, ids: list[str]) -> None:
    reply = server.post("/v1/search", json={"positives": ids[:1], "negatives": ids[:1]})
    assert reply.status_code == 400


def test_a_search_is_kept_as_a_tag(server: Live, ids: list[str]) -> None:
    body = {"positives": ids[:2], "negatives": ids[2:3]}
    assert server.post("/v1/tags/rayed", json=body).status_code == 200
    body = {"positives": ids[2:3], "negatives": ids[:1]}
    assert server.post("/v1/tags/rayed", json=body).status_code == 200
    tag = server.get("/v1/tags/rayed").json()
    assert tag == {"name": "rayed", "positives": sorted(ids[1:3]), "negatives": ids[:1]}
    assert server.get("/v1/tags").json() == {"rayed": 2}
    assert server.get("/v1/tags/unknown").status_code == 404
    assert server.post("/v1/tags/Ray-ed", json=body).status_code == 422
    assert server.post("/v1/tags/rayed", json={"positives": ["nowhere"]}).status_code == 404


def test_a_sample_of_the_catalogue_is_drawn_by_its_seed(server: Live, ids: list[str]) -> None:
    def drawn(**query: int) -> list[str]:
        reply = server.get("/v1/search/sample", params=query)
        assert reply.status_code == 200, reply.text
        return [crater["crater_id"] for crater in reply.json()]

    once = drawn(count=20, seed=1)
    assert once == drawn(count=20, seed=1) != drawn(count=20, seed=2)
    assert len(set(once)) == 20
    assert set(once) < set(ids)
    assert sorted(drawn(count=500)) == sorted(ids)
    assert server.get("/v1/search/sample", params={"count": 501}).status_code == 422


def test_a_tag_may_grow_beyond_what_one_search_takes(server: Live, ids: list[str]) -> None:
    many = [f"of another catalogue {k}" for k in range(2500)]
    server.app.state.tags.add("many", positives=many, negatives=[], labeller="ada", model="m 1")
    assert len(server.get("/v1/tags/many").json()["positives"]) == 2500


def test_other_sites_cannot_write_tags(server: Live, ids: list[str]) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    reply = server.post("/v1/tags/foreign", json={"positives": ids[:1]}, headers=headers)
    assert reply.status_code == 403
    assert server.get("/v1/tags/foreign").status_code == 404


def test_tags_are_read_with_the_scope_read_and_written_with_label(
    bundle_folder: Path, tmp_path: Path, ids: list[str]
) -> None:
    file = tmp_path / "tokens.json"
    tokens = {
        scope: {"authorization": f"Bearer {create_token(file, name=scope, scopes=[scope])}"}
        for scope in ("read", "predict", "label")
    }
    settings = {"tokens": str(file), "tags": str(tmp_path / "tags.db")}
    with live_server(tmp_path, bundle_folder, **settings) as live:

        def write(scope: str) -> int:
            body = {"positives": ids[:1]}
            return live.post("/v1/tags/rayed", json=body, headers=tokens[scope]).status_code

        assert {scope: write(scope) for scope in tokens} == {
            "read": 403, "predict": 403, "label": 200,
        }  # fmt: skip
        assert live.get("/v1/tags/rayed", headers=tokens["read"]).status_code == 200
        assert live.get("/v1/tags", headers=tokens["label"]).status_code == 403
        assert live.get("/search").status_code == 200  # the page itself holds nothing
        store = TagStore(tmp_path / "tags.db")
        assert store.table()["crater_id"].tolist() == ids[:1]
        store.close()


def test_a_lost_database_is_a_reason_to_ask_again(
    bundle_folder: Path, tmp_path: Path, ids: list[str]
) -> None:
    with live_server(tmp_path, bundle_folder, tags=str(tmp_path / "tags.db")) as live:
        with sqlite3.connect(tmp_path / "tags.db") as other:
            other.execute("DROP TABLE tags")
        for reply in (live.get("/v1/tags"), live.post("/v1/tags/a", json={"positives": ids[:1]})):
            assert reply.status_code == 503
            assert "retry-after" in reply.headers


def test_thumbnails_are_searched_by_their_look_too() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 8)).astype(np.float32)
    place = {name: np.zeros(30) for name in ("longitude_deg", "latitude_deg", "diameter_km")}
    craters = pd.DataFrame({"crater_id": [f"c{k}" for k in range(30)], **place})
    thumbnails = rng.integers(1, 255, (30, 48, 48)).astype(np.uint8)
    bare = NeighbourIndex.build(embeddings, craters)
    seen = NeighbourIndex.build(embeddings, craters, thumbnails=thumbnails)
    np.testing.assert_array_equal(Searchable.of(bare, 1.5).features, embeddings)
    np.testing.assert_array_equal(
        Searchable.of(seen, 1.5).features,
        search_features(embeddings, appearance(thumbnails, context_diameters=1.5)),
    )


def test_what_others_put_under_a_tag_is_a_look(
    bundle_folder: Path, parts: Parts, tmp_path: Path, ids: list[str]
) -> None:
    """One's own finds are none; nor is what is no crater of the labelling."""
    file = tmp_path / "labelling.yaml"
    labels = {"crops": str(parts.crop_set.path), "store": str(tmp_path / "labels.db")}
    file.write_text(json.dumps(labels))
    settings = {"labelling": str(file), "tags": str(tmp_path / "tags.db")}
    with live_server(tmp_path, bundle_folder, **settings) as live:
        assert live.post("/v1/tags/rayed", json={"positives": ids[:1]}).status_code == 200
        assert LabelStore(tmp_path / "labels.db").looks().empty
        tags = live.app.state.tags
        tags.add("rayed", positives=ids[1:2], negatives=["x"], labeller="ada", model="m 1")
        for _ in range(2):
            assert live.get("/v1/tags/rayed").status_code == 200
    (look,) = LabelStore(tmp_path / "labels.db").looks().to_dict("records")
    told = {name: look[name] for name in ("crater_id", "labeller", "shown", "whose", "value")}
    assert told == {
        "crater_id": ids[1], "labeller": "local", "shown": "tag", "whose": "rayed", "value": "yes",
    }  # fmt: skip
