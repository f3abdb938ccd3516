"""Problem replies of the HTTP application: wrong and late requests, no model, no token."""

from pathlib import Path

import numpy as np
import pytest
import requests
from crop_images import item
from live_server import Live, live_server

from serving.app.tokens import create_token


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
    padded = server.post("/v1/classify", json=body, headers={"x-deadline-ms": "9000".zfill(20)})
    assert padded.status_code == 200
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


def test_a_broken_form_is_the_callers_fault(server: Live) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    reply = server.post("/v1/classify", data=b"--x\r\nno form", headers=headers)
    problem = reply.json()
    assert (reply.status_code, problem["code"], problem["status"]) == (400, "bad_request", 400)
    assert problem["request_id"] == reply.headers["x-request-id"]


def test_the_routes_of_images_are_counted_by_their_path(server: Live, crops: np.ndarray) -> None:
    for path in ("/invocations", "/v1/classify", "/v1/embed"):
        assert server.post(path, json={"inputs": [item(crops[0])]}).status_code == 200
        counted = f'lunar_requests_total{{route="{path}",status="200"}}'
        assert counted in server.get("/metrics").text
    assert server.get("/invocations").status_code == 405
