"""The HTTP application: same answers as the pyfunc, and clear problems for everything else."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from crop_images import encoded, item
from live_server import Live, live_server, wait_for
from service_parts import Parts

from serving.app.pointer import Pointer
from serving.app.tokens import create_token


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("app")
    with live_server(folder, bundle_folder, max_body_mb=1.0, max_items=80) as live:
        yield live


@pytest.fixture(scope="module")
def crops(parts: Parts) -> np.ndarray:
    return np.array(parts.crop_set.crops)


def one(reply: requests.Response) -> dict:
    assert reply.status_code == 200, reply.text
    (prediction,) = reply.json()["predictions"]
    return prediction


def test_invocations_answers_as_the_pyfunc(server: Live, champion: str, crops: np.ndarray) -> None:
    items = [*(item(crop) for crop in crops[:70]), {"image": "####"}, "no object"]
    params = {"top_k": 2}
    reply = server.post("/invocations", json={"inputs": items, "params": params})
    found = reply.json()["predictions"]
    expected = mlflow.pyfunc.load_model(champion).predict(items, params=params)
    for ours, theirs in zip(found, json.loads(json.dumps(expected)), strict=True):
        ours.pop("model"), theirs.pop("model")
        if theirs["error"] is None:
            np.testing.assert_allclose(
                ours.pop("embedding"), theirs.pop("embedding"), rtol=1e-4, atol=1e-5
            )
        assert _rounded(ours) == _rounded(theirs)


def _rounded(value):
    """Batches of other sizes add up in another order."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def test_json_raw_and_form_bodies_answer_alike(server: Live, crops: np.ndarray) -> None:
    png, query = encoded(crops[3]), {"top_k": 3, "sun_side": "east"}
    body = {"inputs": [item(crops[3], sun_side="east")], "params": {"top_k": 3}}
    by_json = one(server.post("/v1/classify", json=body))
    headers = {"content-type": "image/png"}
    by_raw = one(server.post("/v1/classify", params=query, data=png, headers=headers))
    files = [("image", ("a.png", png, "image/png"))]
    by_form = one(server.post("/v1/classify", data=query, files=files))
    assert by_json == by_raw == by_form
    assert len(by_json["similar"]) == 3


def test_a_form_may_hold_several_images(server: Live, crops: np.ndarray) -> None:
    files = [("image", ("x", encoded(crop), "image/png")) for crop in crops[:3]]
    reply = server.post("/v1/embed", files=files).json()["predictions"]
    assert len({tuple(p["embedding"]) for p in reply}) == 3
    assert "state" not in reply[0]


@pytest.mark.parametrize("kind", ["NPY", "TIFF", "JPEG"])
def test_raw_bodies_of_every_format(server: Live, crops: np.ndarray, kind: str) -> None:
    headers = {"content-type": "application/octet-stream"}
    data = encoded(crops[3], kind)
    assert one(server.post("/v1/classify", data=data, headers=headers))["error"] is None


def test_craters_of_the_reference_set(server: Live, crops: np.ndarray) -> None:
    crater = server.get("/v1/craters/00-1-000007", params={"top_k": 4}).json()
    direct = one(server.post("/v1/classify", json={"inputs": [item(crops[7], sun_side="east")]}))
    assert crater["prediction"]["state"]["label"] == direct["state"]["label"]
    assert len(crater["prediction"]["similar"]) == 4
    assert "00-1-000007" not in [s["crater_id"] for s in crater["prediction"]["similar"]]
    image = server.get("/v1/craters/00-1-000007/image.png")
    assert image.headers["content-type"] == "image/png"
    assert server.get("/v1/craters/nobody").status_code == 404


def test_similar_by_id_and_by_place(server: Live, parts: Parts) -> None:
    row = parts.crop_set.metadata.iloc[7]
    by_id = server.get("/v1/similar", params={"crater_id": "00-1-000007", "top_k": 4}).json()
    place = {"longitude_deg": row["longitude_deg"], "latitude_deg": row["latitude_deg"]}
    by_place = server.get("/v1/similar", params={**place, "top_k": 4}).json()
    assert by_id == by_place
    assert len(by_id["similar"]) == 4
    assert server.get("/v1/similar").status_code == 400
    nowhere = {"longitude_deg": 170, "latitude_deg": -80}
    assert server.get("/v1/similar", params=nowhere).status_code == 404


def test_clusters_and_map(server: Live) -> None:
    cluster = server.get("/v1/clusters/0", params={"top_k": 5}).json()
    distances = [c["distance"] for c in cluster["craters"]]
    assert distances == sorted(distances)
    table = server.get("/v1/map").json()
    assert table["total"] == len(table["crater_id"]) == 120
    assert table["diameter_km"] == sorted(table["diameter_km"], reverse=True)


def test_without_a_mosaic_places_cannot_be_cut(server: Live) -> None:
    place = {"longitude_deg": 0, "latitude_deg": 0, "diameter_km": 5}
    reply = server.get("/v1/locate", params=place)
    assert (reply.status_code, reply.json()["code"]) == (404, "no_mosaic")


def test_operations(server: Live) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    ready = server.get("/ready").json()
    assert (ready["ready"], ready["model"]["version"]) == (True, "1")
    model = server.get("/v1/model").json()
    assert (model["encoder"], model["reference_craters"]) == ("pca", 120)
    text = server.get("/metrics").text
    assert 'lunar_requests_total{route="/health",status="200"}' in text
    assert "lunar_batch_crops_count" in text
    page = server.get("/")
    assert "Lunar Models" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_every_reply_has_a_request_id(server: Live) -> None:
    assert (
        server.get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    )
    made = server.get("/health", headers={"x-request-id": "no spaces"}).headers["x-request-id"]
    assert made != "no spaces"
    assert len(made) == 16


CANARY = "Zm9vYmFy"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", f"/{CANARY}", {}, 404, "not_found"),
        ("DELETE", "/invocations", {}, 405, "method_not_allowed"),
        ("POST", "/invocations", {"data": CANARY, "headers": JSON}, 400, "bad_json"),
        ("POST", "/invocations", {"data": "[" * 5000, "headers": JSON}, 400, "bad_json"),
        (
            "POST",
            "/invocations",
            {"data": b"\xff", "headers": JSON},
            400,
            "bad_json",
        ),
        ("POST", "/invocations", {"json": [CANARY]}, 400, "bad_body"),
        ("POST", "/invocations", {"json": {"inputs": CANARY}}, 400, "bad_body"),
        ("POST", "/invocations", {"json": {"inputs": [], CANARY: 1}}, 400, "bad_body"),
        ("POST", "/invocations", {"json": {"inputs": []}}, 400, "empty"),
        ("POST", "/invocations", {"json": {"inputs": [1] * 81}}, 413, "too_many"),
        ("POST", "/invocations", {"data": CANARY}, 415, "media_type"),
        ("POST", "/v1/classify", {"data": b"x" * 2**20 + b"y"}, 415, "media_type"),
        (
            "POST",
            "/v1/classify",
            {"data": b"x" * (2**20 + 1), "headers": {"content-type": "image/png"}},
            413,
            "too_large",
        ),
        (
            "POST",
            "/v1/classify",
            {"json": {"inputs": [1], "params": {"top_k": CANARY}}},
            400,
            "bad_parameter",
        ),
        ("POST", "/v1/classify", {"json": {"inputs": [1], "params": 5}}, 400, "bad_parameter"),
        ("GET", f"/v1/craters/00-1-000007?top_k={CANARY}", {}, 422, "bad_parameter"),
        ("GET", f"/v1/craters/{CANARY}", {}, 404, "unknown_crater"),
        ("GET", "/v1/similar?longitude_deg=nan&latitude_deg=0", {}, 422, "bad_parameter"),
    ],
)
def test_problems(
    server: Live, method: str, path: str, options: dict, status: int, code: str
) -> None:
    reply = requests.request(method, server.url + path, timeout=30, **options)
    assert (reply.status_code, reply.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    problem = reply.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert CANARY not in reply.text
    assert "Traceback" not in reply.text


def test_a_passed_deadline_is_504(server: Live, crops: np.ndarray) -> None:
    body = {"inputs": [item(crops[0])]}
    late = server.post("/v1/classify", json=body, headers={"x-deadline-ms": "0"})
    assert (late.status_code, late.json()["code"]) == (504, "deadline")
    wrong = server.post("/v1/classify", json=body, headers={"x-deadline-ms": "soon"})
    assert wrong.status_code == 400


def test_cors_is_off_unless_asked_for(server: Live, bundle_folder: Path, tmp_path: Path) -> None:
    origin = {"origin": "https://moon.example"}
    assert "access-control-allow-origin" not in server.get("/health", headers=origin).headers
    with live_server(tmp_path, None, cors_origins=("https://moon.example",)) as other:
        allowed = other.get("/health", headers=origin).headers["access-control-allow-origin"]
        assert allowed == "https://moon.example"


def test_without_a_model_it_is_alive_but_not_ready(tmp_path: Path, crops: np.ndarray) -> None:
    with live_server(tmp_path, None) as live:
        assert live.get("/health").status_code == 200
        assert live.get("/ready").status_code == 503
        reply = live.post("/invocations", json={"inputs": [item(crops[0])]})
        assert (reply.status_code, reply.json()["code"]) == (503, "not_ready")
        assert "retry-after" in reply.headers


def test_tokens_open_what_their_scopes_say(
    bundle_folder: Path, tmp_path: Path, crops: np.ndarray
) -> None:
    file = tmp_path / "tokens.json"
    reader = create_token(file, name="reader", scopes=["read"])
    sender = create_token(file, name="sender", scopes=["predict", "metrics"])
    body = {"inputs": [item(crops[0])]}
    with live_server(tmp_path, bundle_folder, tokens=str(file)) as live:

        def status(path: str, token: str | None) -> int:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            if path == "/invocations":
                return live.post(path, json=body, headers=headers).status_code
            return live.get(path, headers=headers).status_code

        for path in ("/health", "/ready", "/", "/static/page.js", "/openapi.json"):
            assert status(path, None) == 200
        assert status("/invocations", None) == status("/invocations", "wrong") == 401
        assert status("/invocations", reader) == 403
        assert status("/invocations", sender) == 200
        assert (status("/v1/map", reader), status("/v1/map", sender)) == (200, 403)
        assert (status("/metrics", reader), status("/metrics", sender)) == (403, 200)


def test_a_new_champion_takes_over_and_a_broken_one_does_not(
    bundle_folder: Path, parts: Parts, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(bundle_folder, tmp_path / "broken"))
    (broken / "head" / "head.npz").write_bytes(b"tampered")
    second = Path(shutil.copytree(bundle_folder, tmp_path / "second"))
    with live_server(tmp_path, bundle_folder) as live:

        def ready() -> dict:
            return live.get("/ready").json()

        Pointer(folder=str(broken), name="craters", version="2").write(live.pointer_file)
        wait_for(lambda: ready()["load_problem"])
        now = ready()
        assert (now["ready"], now["model"]["version"], now["newest_version"]) == (True, "1", "2")
        assert "head.npz" in now["load_problem"]
        Pointer(folder=str(second), name="craters", version="3").write(live.pointer_file)
        wait_for(lambda: ready()["model"]["version"] == "3")
        assert ready()["load_problem"] is None


def test_openapi_describes_every_body(server: Live) -> None:
    schema = server.get("/openapi.json").json()
    for path in ("/invocations", "/v1/classify", "/v1/embed", "/v1/similar"):
        body = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert body["example"]["inputs"]
        assert one_example_works(server, path, body["example"])
    assert "image" in schema["components"]["schemas"]["CropRequest"]["properties"]


def references(node: object) -> Iterator[str]:
    """Every ``$ref`` below a node of a JSON schema."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "$ref":
            yield value
        elif isinstance(value, dict | list):
            yield from references(value)


def test_every_reference_of_the_openapi_leads_somewhere(server: Live) -> None:
    schema = server.get("/openapi.json").json()
    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}
    assert set(references(schema)) <= known


def one_example_works(server: Live, path: str, example: dict) -> bool:
    return one(server.post(path, json=example))["error"] is None
