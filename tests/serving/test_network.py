"""Network behaviour: TLS, forwarded headers of proxies, and clients that disconnect."""

import datetime
import ipaddress
import json
import logging
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from crop_images import item
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from live_server import Live, live_server, wait_for
from service_parts import Parts

from lunar_models.config.serve import ServeConfig
from lunar_models.errors import ConfigError
from serving.app import batcher
from serving.client import CraterClient, ServiceError
from serving.model.classify import BATCH


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A self-signed certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "key.pem").write_bytes(pem)
    return SimpleNamespace(certificate=folder / "certificate.pem", key=folder / "key.pem")


def test_tls_is_spoken_and_nothing_else(
    bundle_folder: Path,
    parts: Parts,
    pair: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    with live_server(tmp_path, bundle_folder, **options) as live:
        assert live.url.startswith("https://")
        reply = live.post(
            "/invocations", json={"inputs": [item(np.array(parts.crop_set.crops[0]))]}
        )
        assert reply.json()["predictions"][0]["error"] is None
        with pytest.raises(requests.exceptions.SSLError):  # nobody vouches for it
            requests.get(f"{live.url}/health", timeout=30)
        with pytest.raises(requests.ConnectionError):
            requests.get(live.url.replace("https", "http") + "/health", timeout=30)
        with pytest.raises(ServiceError):
            CraterClient(live.url, retries=0).crater("00-1-000003")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pair.certificate))
        assert CraterClient(live.url).crater("00-1-000003")["crater_id"] == "00-1-000003"


def test_certificate_and_key_belong_together(pair: SimpleNamespace) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        ServeConfig(tls_certificate=str(pair.certificate))


@pytest.mark.parametrize(("trusted", "seen"), [("127.0.0.1", "203.0.113.9"), (None, "127.0.0.1")])
def test_only_a_trusted_proxy_says_who_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trusted: str | None, seen: str
) -> None:
    caplog.set_level(logging.INFO, "serving.access")
    with live_server(tmp_path, None, trusted_proxies=(trusted,) if trusted else ()) as live:
        live.get("/health", headers={"x-forwarded-for": "203.0.113.9", "x-request-id": "proxied"})
        line = logged(caplog, request_id="proxied")
    assert line.client == seen


def logged(caplog: pytest.LogCaptureFixture, **fields: object) -> logging.LogRecord:
    """The first log line with these fields, once it is written."""

    def lines() -> list[logging.LogRecord]:
        return [r for r in list(caplog.records) if fields.items() <= vars(r).items()]

    wait_for(lines)
    return lines()[0]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Batches that wait for `gate`; `sizes` holds those begun."""
    state = SimpleNamespace(gate=threading.Event(), sizes=[])
    real = batcher.classify_batch

    def waiting(bundle, crops, **rest):
        state.sizes.append(len(crops))
        assert state.gate.wait(60)
        return real(bundle, crops, **rest)

    monkeypatch.setattr(batcher, "classify_batch", waiting)
    return state


def hang_up(live: Live, body: bytes, *, length: int, when=lambda: True) -> None:
    """Send a request, wait until `when`, and close the connection without reading."""
    host, port = live.url.removeprefix("http://").split(":")
    head = (
        "POST /v1/classify HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
        f"content-length: {length}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode() + body)
        wait_for(when)


def test_what_nobody_waits_for_is_not_computed(
    bundle_folder: Path,
    parts: Parts,
    tmp_path: Path,
    slow: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "serving.access")
    one = item(np.array(parts.crop_set.crops[0]))
    body = json.dumps({"inputs": [one] * (3 * BATCH)}).encode()
    with live_server(tmp_path, bundle_folder) as live:
        hang_up(live, body, length=len(body), when=lambda: slow.sizes)
        logged(caplog, status=408)
        begun = list(slow.sizes)
        slow.gate.set()
        reply = live.post("/v1/classify", json={"inputs": [one]})
        assert reply.json()["predictions"][0]["error"] is None
        assert slow.sizes == [*begun, 1]
        assert sum(begun) <= BATCH


def test_half_a_request_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "serving")
    with live_server(tmp_path, None) as live:
        live.runtime.holder.current = SimpleNamespace()  # it has to be ready to read at all
        hang_up(live, b'{"inputs"', length=1000)
        logged(caplog, status=408)
        assert live.get("/health").ok
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_the_log_never_holds_an_image(
    bundle_folder: Path, parts: Parts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "serving")
    good, broken = item(np.array(parts.crop_set.crops[0])), {"image": "c2VjcmV0c2VjcmV0"}
    with live_server(tmp_path, bundle_folder) as live:
        live.post("/v1/classify", json={"inputs": [good, broken]}, headers={"x-request-id": "seen"})
        logged(caplog, request_id="seen")
    for record in caplog.records:
        assert good["image"][:40] not in str(vars(record))
        assert broken["image"] not in str(vars(record))
