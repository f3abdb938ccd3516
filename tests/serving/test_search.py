"""Search by examples over HTTP: ranked, bounded, and kept as a tag."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import Live, live_server
from service_parts import Parts


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
