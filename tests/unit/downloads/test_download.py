"""Downloads against a local server that behaves badly on purpose."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from download_server import CONTENT, Server, bundle, running

from lunar_models.config.download import DownloadConfig
from lunar_models.downloads.fetch import (
    REGISTRY_FILE,
    Downloads,
    download,
    fetch,
    file_name,
)
from lunar_models.errors import ConfigError, DownloadError

CHUNK = 1 << 16


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as state:
        yield state


def get(server: Server, folder: Path, attempts: int = 3) -> Path:
    return fetch(server.url, folder, attempts=attempts, timeout_s=5, first_wait_s=0.001)


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"moon.tif", REGISTRY_FILE}


def test_the_first_download_pins_size_and_digest(server: Server, tmp_path: Path) -> None:
    path = get(server, tmp_path / "new")
    assert path == tmp_path / "new" / "moon.tif"
    assert path.read_bytes() == CONTENT
    assert json.loads((path.parent / REGISTRY_FILE).read_text()) == {
        server.url: {
            "file": "moon.tif",
            "size": len(CONTENT),
            "sha256": hashlib.sha256(CONTENT).hexdigest(),
        }
    }
    assert leftovers(path.parent) == set()


def test_a_verified_file_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.asked) == 1


def test_a_damaged_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path).write_bytes(b"rubbish")
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_dropped_connections_go_on_where_they_broke(server: Server, tmp_path: Path) -> None:
    server.drops = [4 * CHUNK, 3 * CHUNK, 0, CHUNK]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [
        None,
        "bytes=262144-",
        "bytes=458752-",
        "bytes=458752-",
        "bytes=524288-",
    ]
    assert leftovers(tmp_path) == set()


def test_a_killed_download_goes_on_in_the_next_run(server: Server, tmp_path: Path) -> None:
    server.drops = [6 * CHUNK, 0]
    with pytest.raises(DownloadError, match=r"393,216 bytes are kept.*run again to resume"):
        get(server, tmp_path, attempts=1)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=393216-", "bytes=393216-"]


def test_without_ranges_it_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.drops = [4 * CHUNK, 7 * CHUNK]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=458752-"


def test_without_a_validator_no_range_is_asked_for(server: Server, tmp_path: Path) -> None:
    server.etag = None
    server.drops = [4 * CHUNK]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_file_that_changed_meanwhile_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    server.drops = [4 * CHUNK, 0]
    with pytest.raises(DownloadError):
        get(server, tmp_path, attempts=1)
    server.content, server.etag = CONTENT[::-1], '"v2"'
    assert get(server, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_that_answers_another_range_is_asked_for_everything(
    server: Server, tmp_path: Path
) -> None:
    server.drops, server.wrong_offset = [4 * CHUNK], True
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=262144-", None]


def test_a_part_that_is_complete_or_too_long_does_not_hang(server: Server, tmp_path: Path) -> None:
    validator = json.dumps({"url": server.url, "validator": server.etag})
    for part in (CONTENT, CONTENT + b"more"):
        folder = tmp_path / str(len(part))
        folder.mkdir()
        (folder / "moon.tif.part").write_bytes(part)
        (folder / "moon.tif.part.json").write_text(validator)
        assert get(server, folder).read_bytes() == CONTENT


def test_busy_servers_are_asked_again_and_refusals_are_final(
    server: Server, tmp_path: Path
) -> None:
    server.statuses = [503, 429]
    assert get(server, tmp_path / "busy").read_bytes() == CONTENT
    server.statuses = [404]
    with pytest.raises(DownloadError, match="404 Not Found"):
        get(server, tmp_path / "gone")
    assert len(server.asked) == 4


def test_a_wrong_digest_is_an_error_and_leaves_no_file(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path).unlink()
    server.content = CONTENT[::-1]  # as long, but not the same
    with pytest.raises(DownloadError, match="does not have its pinned digest sha256"):
        get(server, tmp_path)
    assert not (tmp_path / "moon.tif").exists()
    assert leftovers(tmp_path) == set()
    server.content = CONTENT
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_wrong_size_is_refused_before_the_transfer(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path).unlink()
    server.content = CONTENT[:-1]
    with pytest.raises(DownloadError, match="has 1,048,575 bytes, but 1,048,576 were pinned"):
        get(server, tmp_path)


def test_an_unreachable_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="2 attempts without progress"):
        fetch("http://127.0.0.1:1/x.tif", tmp_path, attempts=2, first_wait_s=0.001)


def test_a_full_disk_is_told_before_the_transfer(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DownloadError, match="needs 1,048,576 more bytes, but only 1,000 are free"):
        get(server, tmp_path)


def test_a_damaged_registry_is_an_error(server: Server, tmp_path: Path) -> None:
    for text in ("{", "[]", '{"u": {"size": 1, "sha256": "short"}}', '{"u": 3}'):
        (tmp_path / REGISTRY_FILE).write_text(text)
        with pytest.raises(DownloadError, match="damaged"):
            get(server, tmp_path)


def test_a_folder_that_is_a_file_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DownloadError, match="cannot be written"):
        get(server, tmp_path / "taken")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/b.tif?x=1", "b.tif"),
        ("https://host/a%20b.tif", "a b.tif"),
        ("https://host/a/..%2f..%2fetc%2fpasswd", "passwd"),
    ],
)
def test_file_names(url: str, name: str) -> None:
    assert file_name(url) == name


@pytest.mark.parametrize("url", ["https://host", "https://host/..", "https://host/a%5c..%5cb"])
def test_addresses_without_a_file_name(url: str) -> None:
    with pytest.raises(DownloadError, match="does not end with a file's name"):
        file_name(url)


def test_catalogue_and_mosaic_are_fetched_and_unpacked(server: Server, tmp_path: Path) -> None:
    server.content = bundle(tmp_path / "source.zip", {"d/r.csv": b"CRATER_ID\n"}).read_bytes()
    url = server.url.replace("moon.tif", "robbins")
    config = DownloadConfig(output=str(tmp_path / "out"), catalogue_url=url, mosaic_url=server.url)
    files = download(config)
    assert files == Downloads(tmp_path / "out" / "robbins.csv", tmp_path / "out" / "moon.tif")
    assert files.catalogue_path.read_bytes() == b"CRATER_ID\n"


def test_either_file_can_be_left_out(server: Server, tmp_path: Path) -> None:
    server.content = b"CRATER_ID\n"
    url = server.url.replace("moon.tif", "plain.csv")
    files = download(DownloadConfig(output=str(tmp_path), catalogue_url=url, mosaic_url=None))
    assert files == Downloads(tmp_path / "plain.csv", None)


def test_only_http_addresses_are_taken() -> None:
    with pytest.raises(ConfigError, match="mosaic_url='ftp://x/y' is not an http"):
        DownloadConfig(mosaic_url="ftp://x/y")
