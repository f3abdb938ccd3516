"""Archives are unpacked to the table they hold, never to more."""

from pathlib import Path

import pytest
from download_server import bundle

from lunar_models.downloads.fetch import (
    unpack_csv,
)
from lunar_models.errors import DownloadError


def test_the_largest_table_is_unpacked_beside_the_archive(tmp_path: Path) -> None:
    members = {
        "b/collection.csv": b"x",
        "b/data/robbins.csv": b"CRATER_ID\n1\n",
        "b/r.pdf": b"y" * 99,
    }
    path = unpack_csv(bundle(tmp_path / "robbins_2018", members))
    assert path == tmp_path / "robbins_2018.csv"
    assert path.read_bytes() == b"CRATER_ID\n1\n"


def test_names_in_the_archive_never_become_paths(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    unpack_csv(bundle(inside / "a.zip", {"../../evil.csv": b"1", "/abs/evil.csv": b"22"}))
    assert {p.name for p in tmp_path.rglob("*")} == {"inside", "a.zip", "a.csv"}


def test_zip_bombs_and_broken_archives_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="unpacks to 100,000 bytes; no more than 1,000"):
        unpack_csv(bundle(tmp_path / "bomb.zip", {"a.csv": bytes(100_000)}), largest_bytes=1000)
    with pytest.raises(DownloadError, match="holds no CSV, only readme"):
        unpack_csv(bundle(tmp_path / "none.zip", {"readme.txt": b""}))
    good = bundle(tmp_path / "good.zip", {"a.csv": bytes(range(256)) * 50}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(good[: len(good) // 2])
    damaged = bytearray(good)
    damaged[60:80] = bytes(20)
    (tmp_path / "damaged.zip").write_bytes(damaged)
    for name in ("cut.zip", "damaged.zip"):
        with pytest.raises(DownloadError, match="cannot be unpacked"):
            unpack_csv(tmp_path / name)
    assert not list(tmp_path.glob("*.csv"))


def test_a_lying_size_cannot_exceed_the_limit(tmp_path: Path) -> None:
    """The declared sizes are changed from 100,000 to 10; only 10 bytes may come out."""
    path = bundle(tmp_path / "liar.zip", {"a.csv": bytes(100_000)})
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), b"\n\0\0\0"))
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack_csv(path, largest_bytes=1000)
    assert not (tmp_path / "liar.csv").exists()
