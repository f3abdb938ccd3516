"""The client batches, retries and reports; the commands write one row per crater."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from crop_images import encoded
from live_server import Live, live_server
from service_parts import Parts

from serving import client as module
from serving.app.tokens import TokenStore
from serving.cli.classify import classify
from serving.cli.token import token
from serving.client import CraterClient, ServiceError


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("client"), bundle_folder) as live:
        yield live


def test_many_images_come_back_in_order(server: Live, parts: Parts) -> None:
    images = [encoded(np.array(crop)) for crop in parts.crop_set.crops[:25]]
    found = CraterClient(server.url, batch_size=10).classify(
        images, hints={"sun_side": "east"}, top_k=1
    )
    names = [prediction["similar"][0]["crater_id"] for prediction in found]
    assert names == list(parts.crop_set.metadata["crater_id"][:25])


def test_catalogue_calls(server: Live) -> None:
    client = CraterClient(server.url)
    assert client.crater("00-1-000003")["crater_id"] == "00-1-000003"
    assert len(client.similar(crater_id="00-1-000003", top_k=2)["similar"]) == 2
    with pytest.raises(ServiceError, match="no crater of this id") as raised:
        client.crater("no body")
    assert raised.value.status == 404


class Moody(http.server.BaseHTTPRequestHandler):
    """Busy twice, then well."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(503 if type(self).asked < 3 else 200)
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(b'{"detail": "busy"}')

    def log_message(self, *_: object) -> None:
        pass


def test_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT_S", 0.01)
    server = http.server.HTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert CraterClient(url).crater("a") == {"detail": "busy"}
        assert Moody.asked == 3
        Moody.asked = 0
        with pytest.raises(ServiceError, match="busy") as raised:
            CraterClient(url, retries=1).crater("a")
        assert (raised.value.status, Moody.asked) == (503, 2)
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(ServiceError, match="is it running"):
        CraterClient(url, retries=1).crater("a")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_becomes_a_table(server: Live, parts: Parts, tmp_path: Path, suffix: str) -> None:
    folder, output = tmp_path / "images", tmp_path / f"out{suffix}"
    (folder / "deep").mkdir(parents=True)
    for i in range(3):
        (folder / f"{i}.png").write_bytes(encoded(np.array(parts.crop_set.crops[i])))
    (folder / "deep" / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("ignored")
    arguments = [str(folder), str(output), "--batch-size", "2"]
    result = CliRunner().invoke(classify, arguments, env={"LUNAR_URL": server.url})
    assert result.exit_code == 0, result.output
    assert "3 of 4 craters" in result.output
    table = pd.read_csv(output) if suffix == ".csv" else pd.read_parquet(output)
    assert list(table["file"]) == ["0.png", "1.png", "2.png", "deep/broken.png"]
    assert list(table["error_code"].fillna("")) == ["", "", "", "undecodable"]
    np.testing.assert_allclose(table.filter(like="probability_").sum(axis=1)[:3], 1, atol=1e-6)


def test_a_table_without_a_mosaic_says_why_in_each_row(server: Live, tmp_path: Path) -> None:
    file, output = tmp_path / "places.csv", tmp_path / "out.csv"
    file.write_text("CRATER_ID,LON_CIRC_IMG,LAT_CIRC_IMG,DIAM_CIRC_IMG\na,10,5,3\nb,11,5,-3\n")
    result = CliRunner().invoke(classify, [str(file), str(output), "--url", server.url])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(output).set_index("crater_id")
    assert "mosaic" in table.loc["a", "error_message"]
    assert table.loc["b", "error_code"] == "bad_row"


def test_a_folder_without_images_is_refused_by_name(tmp_path: Path) -> None:
    result = CliRunner().invoke(classify, [str(tmp_path), str(tmp_path / "out.csv")])
    assert (result.exit_code, f"{tmp_path} holds no image" in result.output) == (2, True)


def test_tokens_are_kept_as_hashes_only(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    options = ["--file", str(file)]
    made = CliRunner().invoke(token, ["alice", *options, "--scope", "read"]).output.strip()
    assert made not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert TokenStore(file).scopes(made) == {"read"}
    assert TokenStore(file).scopes(made + "x") is None
    again = CliRunner().invoke(token, ["alice", *options])
    assert (again.exit_code, "already" in again.output) == (2, True)
    CliRunner().invoke(token, ["alice", *options, "--revoke"])
    assert TokenStore(file).scopes(made) is None
