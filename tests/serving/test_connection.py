"""Callers who send too much, too slowly, or do not read, are kept within bounds."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from crop_images import encoded, item
from live_server import Live, live_server, wait_for
from service_parts import Parts

from serving.app import connection as module
from serving.app.tokens import create_token


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("connection")
    create_token(folder / "tokens.json", name="nobody", scopes=["read"])
    with live_server(
        folder, bundle_folder, max_body_mb=2.0, max_bodies_mb=3.0, max_items=64
    ) as live:
        yield live


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_S", "UNREAD_S", "REST_S"):
        monkeypatch.setattr(module, name, 0.3)


def connect(live: Live) -> socket.socket:
    host, port = live.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def reply_to(live: Live, *parts: bytes, pause: float = 0.0) -> bytes:
    """Everything the server sends until it closes."""
    with connect(live) as line:
        try:
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
            return read_all(line)
        except ConnectionError:
            return b""


def read_all(line: socket.socket) -> bytes:
    received = b""
    while part := line.recv(65536):
        received += part
    return received


def test_many_small_headers_are_refused(server: Live) -> None:
    head = b"GET /health HTTP/1.1\r\nhost: here\r\n"
    # In one piece: a part that comes after the server has closed would take the reply away.
    whole = head + b"a: b\r\n" * 200 + b"\r\n"
    assert reply_to(server, whole).startswith(b"HTTP/1.1 431 ")
    process, before = psutil.Process(), psutil.Process().memory_info().rss
    assert len(reply_to(server, head, *[b"a: b\r\n" * 5_000] * 200)) < 1_000
    assert process.memory_info().rss < before + 50 * 2**20


def test_one_large_header_is_refused(server: Live) -> None:
    begun = time.process_time()
    answer = reply_to(server, b"GET /health HTTP/1.1\r\nhost: here\r\na: ", *[b"x" * 2**16] * 100)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert time.process_time() - begun < 2
    problem = requests.get(f"{server.url}/health", headers={"a": "x" * 70_000}, timeout=10)
    assert (problem.status_code, problem.json()["code"]) == (431, "too_large")


def test_a_long_url_is_refused(server: Live) -> None:
    reply = requests.get(f"{server.url}/health?{'x' * 9_000}", timeout=10)
    assert (reply.status_code, reply.json()["code"]) == (414, "too_large")
    assert requests.get(f"{server.url}/health?{'x' * 7_000}", timeout=10).ok


def test_what_is_not_http_is_refused_as_a_problem(server: Live) -> None:
    answer = reply_to(server, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "bad_request"' in answer


@pytest.mark.parametrize(
    "pieces",
    [(), (b"\r\n",), (b"GET /he",), (b"GET /health HTTP/1.1\r\nhost: h\r\n",)],
    ids=["silent", "newline", "cut", "no end"],
)
def test_a_head_must_be_complete_soon(server: Live, impatient: None, pieces: tuple) -> None:
    begun = time.monotonic()
    answer = reply_to(server, *pieces)
    assert time.monotonic() - begun < 5
    assert answer.startswith(b"HTTP/1.1 408 ") or not pieces or not pieces[0].strip()


def test_dribbling_gains_no_time(server: Live, impatient: None) -> None:
    begun = time.monotonic()
    reply_to(server, b"GET /", *[b"a"] * 160, pause=0.05)
    assert time.monotonic() - begun < 5


def test_the_rest_of_a_refused_body_must_come_soon(server: Live, impatient: None) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\n"
    begun = time.monotonic()
    answer = reply_to(server, head, b"x")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert time.monotonic() - begun < 5


def test_a_reply_that_nobody_reads_is_given_up(server: Live, impatient: None) -> None:
    connections = [connect(server) for _ in range(3)]
    ask = b"GET /openapi.json HTTP/1.1\r\nhost: h\r\n\r\n"
    for line in connections:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(1.0)
        try:
            for _ in range(2_000):
                line.sendall(ask)
        except OSError:
            continue

    def ours() -> int:
        port = int(server.url.rpartition(":")[2])
        lines = psutil.Process().net_connections("tcp")
        return sum(1 for c in lines if c.laddr.port == port and c.status == "ESTABLISHED")

    wait_for(lambda: ours() == 0, 20)
    for line in connections:
        line.close()


def test_silent_connections_make_room_for_others(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "most_connections", lambda: 20)
    silent = [connect(server) for _ in range(60)]
    assert all(server.get("/health").ok for _ in range(5))
    for line in silent:
        line.close()


def test_a_half_closed_post_is_answered(server: Live, parts: Parts) -> None:
    body = json.dumps({"inputs": [item(np.array(parts.crop_set.crops[0]))]}).encode()
    head = (
        "POST /invocations HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with connect(server) as line:
        line.sendall(head.encode() + body)
        line.shutdown(socket.SHUT_WR)
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"error":null' in answer


def test_pipelined_requests_are_answered_in_order(server: Live) -> None:
    first = b"GET /health HTTP/1.1\r\nhost: h\r\nx-request-id: one\r\n\r\n"
    last = b"GET /ping HTTP/1.1\r\nhost: h\r\nx-request-id: two\r\nconnection: close\r\n\r\n"
    answer = reply_to(server, first + last)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.index(b"x-request-id: one") < answer.index(b"x-request-id: two")


def test_all_bodies_together_have_a_limit(server: Live) -> None:
    """Two bodies of 1.9 MB do not fit into 3 MB; the budget is given back."""
    size = 1_900_000
    line = connect(server)
    head = (
        "POST /v1/classify HTTP/1.1\r\nhost: h\r\nconnection: close\r\n"
        f"content-type: image/png\r\ncontent-length: {size}\r\n\r\n"
    )
    line.sendall(head.encode() + b"x" * (size - 1))
    wait_for(lambda: server.runtime.bodies.held == size - 1, 10)
    busy = server.post("/v1/classify", data=b"x" * size, headers={"content-type": "image/png"})
    assert (busy.status_code, busy.json()["code"]) == (503, "busy")
    line.sendall(b"x")
    assert read_all(line).startswith(b"HTTP/1.1 200 ")
    wait_for(lambda: server.runtime.bodies.held == 0, 10)


def test_gzip_is_understood_within_the_limit(server: Live, parts: Parts) -> None:
    body = json.dumps({"inputs": [item(np.array(parts.crop_set.crops[0]))]}).encode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    half = len(body) // 2
    for data in (gzip.compress(body), gzip.compress(body[:half]) + gzip.compress(body[half:])):
        reply = server.post("/invocations", data=data, headers=headers)
        assert reply.json()["predictions"][0]["error"] is None
    png = gzip.compress(encoded(np.array(parts.crop_set.crops[0])))
    raw = server.post("/v1/classify", data=png, headers={**headers, "content-type": "image/png"})
    assert raw.json()["predictions"][0]["error"] is None
    for data, status, code in (
        (gzip.compress(bytes(2**25)), 413, "too_large"),
        (gzip.compress(body)[:-20], 400, "bad_gzip"),
        (body, 400, "bad_gzip"),
    ):
        reply = server.post("/invocations", data=data, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (status, code)
    other = server.post("/invocations", data=body, headers={**headers, "content-encoding": "br"})
    assert (other.status_code, other.json()["code"]) == (415, "media_type")
    assert server.runtime.bodies.held == 0


@pytest.mark.parametrize(
    ("head", "piece", "detail"),
    [
        (b"", gzip.compress(b""), "4096 gzip files"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\3", b"\0\0\0\xff\xff", "The body is over 2 MiB."),
    ],
    ids=["members", "blocks"],
)
def test_gzip_that_inflates_to_nothing_is_refused(
    server: Live, head: bytes, piece: bytes, detail: str
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield head
        while sent < 50 * 2**20:
            sent += 2**16
            yield piece * (2**16 // len(piece))

    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    try:
        reply = server.post("/invocations", data=endless(), headers=headers)
    except requests.ConnectionError:  # closed while the rest was being sent
        assert sent < 20 * 2**20
    data = head + piece * (3 * 2**20 // len(piece))
    reply = server.post("/invocations", data=data, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
    assert detail in reply.json()["detail"]
    assert server.runtime.bodies.held == 0


OFFERS = {
    "h2c": b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    "websocket": b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
}


def ask(parts: Parts, offer: bytes, *, chunked: bool = False, last: bool = False) -> list[bytes]:
    """Head and body of a request that offers to upgrade."""
    body = json.dumps({"inputs": [item(np.array(parts.crop_set.crops[0]))]}).encode()
    length = b"content-length: %d" % len(body)
    if chunked:
        length, half = b"transfer-encoding: chunked", len(body) // 2
        body = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            half, body[:half], len(body) - half, body[half:],
        )  # fmt: skip
    head = b"POST /invocations HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
    end = b"" if not last else b"connection: close\r\n"
    return [head + (offer if not last else b"") + end + length + b"\r\n\r\n", body]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("split", ["one segment", "body later", "every 100 bytes"])
@pytest.mark.parametrize("offer", list(OFFERS))
def test_an_offer_to_upgrade_is_ignored(
    server: Live, parts: Parts, offer: str, split: str, chunked: bool
) -> None:
    """Two requests with the offer and one without are all answered, on one connection."""
    first = ask(parts, OFFERS[offer], chunked=chunked)
    pieces = [*first, *first, *ask(parts, b"", chunked=chunked, last=True)]
    whole = b"".join(pieces)
    if split == "one segment":
        answer = reply_to(server, whole)
    elif split == "body later":
        answer = reply_to(server, *pieces, pause=0.05)
    else:
        segments = [whole[i : i + 100] for i in range(0, len(whole), 100)]
        answer = reply_to(server, *segments, pause=0.0005)
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.count(b'"error":null') == 3


def test_a_request_without_body_may_offer_to_upgrade(server: Live) -> None:
    get = b"GET /health HTTP/1.1\r\nhost: h\r\n"
    last = get + b"connection: close\r\n\r\n"
    for offer in OFFERS.values():
        answer = reply_to(server, (get + offer + b"\r\n") * 50 + last)
        assert answer.count(b"HTTP/1.1 200 ") == 51
    assert not reply_to(server, b"CONNECT h:1 HTTP/1.1\r\nhost: h\r\n\r\n").startswith(
        b"HTTP/1.1 2"
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_every_unicode(server: Live, parts: Parts, encoding: str) -> None:
    body = json.dumps({"inputs": [item(np.array(parts.crop_set.crops[0]))]}).encode(encoding)
    reply = server.post("/invocations", data=body, headers={"content-type": "application/json"})
    assert reply.json()["predictions"][0]["error"] is None


@pytest.mark.parametrize("piece", [b"[],", b'{"a":[1,', b"1,"])
def test_json_of_countless_values_is_not_parsed(server: Live, piece: bytes) -> None:
    body = b"[" + piece * (1_900_000 // len(piece))
    headers = {"content-type": "application/json"}
    reply = server.post("/invocations", data=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (413, "too_many")


def test_a_trailing_slash_does_not_lead_elsewhere(server: Live) -> None:
    reply = requests.get(
        f"{server.url}/v1/map/", headers={"host": "evil.example"}, allow_redirects=False, timeout=10
    )
    assert reply.status_code == 404
    assert "location" not in reply.headers


def test_a_browser_may_read_refusals(bundle_folder: Path, tmp_path: Path) -> None:
    create_token(tmp_path / "tokens.json", name="a", scopes=["read"])
    origin = "https://moon.example"
    settings = {"tokens": str(tmp_path / "tokens.json"), "cors_origins": (origin,)}
    with live_server(tmp_path, None, **settings) as live:
        reply = live.get("/v1/map", headers={"origin": origin})
        assert reply.status_code == 401
        assert reply.headers["access-control-allow-origin"] == origin
