"""Download the catalogue and the mosaic, verify them, and pin their digests."""

import json
import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

import pooch

from lunar_models.config.download import DownloadConfig
from lunar_models.downloads.resume import ResumingDownloader
from lunar_models.errors import DownloadError

REGISTRY_FILE = "registry.json"
"""URL to file name, bytes and SHA-256: pinned by the first download, demanded by later ones."""

LARGEST_UNPACKED_BYTES = 4 << 30
"""Robbins' CSV has 0.24 GB; far more than expected is a zip bomb."""


@dataclass(frozen=True)
class Downloads:
    """The downloaded files."""

    catalogue_path: Path | None
    """Ready for `catalogue.read_catalogue`."""
    mosaic_path: Path | None


def download(config: DownloadConfig) -> Downloads:
    """Download missing files; a file with its pinned digest is kept.

    Raises:
        DownloadError: see `fetch` and `unpack_csv`.
    """
    folder = Path(config.output)
    catalogue = mosaic = None
    if config.catalogue_url is not None:
        catalogue = _unpacked(_fetch_for(config, config.catalogue_url, folder))
    if config.mosaic_url is not None:
        mosaic = _fetch_for(config, config.mosaic_url, folder)
    return Downloads(catalogue, mosaic)


def _fetch_for(config: DownloadConfig, url: str, folder: Path) -> Path:
    return fetch(url, folder, attempts=config.attempts, timeout_s=config.timeout_s)


def fetch(
    url: str,
    folder: Path,
    *,
    attempts: int = 8,
    timeout_s: float = 60.0,
    first_wait_s: float = 1.0,
) -> Path:
    """Download one file into `folder`, under its name in the URL, resuming a former attempt.

    Args:
        url: http or https.
        folder: made if missing; holds `REGISTRY_FILE`.
        attempts: in a row without progress, before giving up.
        timeout_s: longest silence of the server.
        first_wait_s: pause after the first fruitless attempt; doubles with each.

    Raises:
        DownloadError: unreachable or refused, not the pinned size or digest, or not writable.
    """
    name = file_name(url)
    pooch.get_logger().setLevel("WARNING")  # it advises to pin the digest, as is done here
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pinned = _read_registry(folder).get(url, {})
        downloader = ResumingDownloader(
            folder / f"{name}.part", pinned.get("size"), attempts, timeout_s, first_wait_s
        )
        path = pooch.retrieve(
            url, known_hash=pinned.get("sha256"), fname=name, path=folder, downloader=downloader
        )
        if not pinned:
            _pin(folder, url, Path(path))
    except DownloadError:
        raise
    except ValueError as error:  # how pooch says that the digest is wrong
        raise DownloadError(
            f"{url} does not have its pinned digest sha256:{pinned.get('sha256')}: damaged on the "
            f"way, or the source has changed. Try again; to accept a new version, delete its entry "
            f"in {folder / REGISTRY_FILE}."
        ) from error
    except OSError as error:
        raise DownloadError(f"{folder / name} cannot be written ({error}).") from error
    return Path(path)


def _pin(folder: Path, url: str, path: Path) -> None:
    """Pin the digest of a first download, which later downloads must match."""
    entry = {
        "file": path.name,
        "size": path.stat().st_size,
        "sha256": pooch.file_hash(str(path)),
    }
    _write_registry(folder, {**_read_registry(folder), url: entry})


def file_name(url: str) -> str:
    """Return the last part of the URL's path.

    Raises:
        DownloadError: it has none that can be a file's name.
    """
    name = PurePosixPath(unquote(urlparse(url).path)).name
    if not name or name in (".", "..") or any(c in name for c in "\\:\0"):
        raise DownloadError(f"{url} does not end with a file's name; give the file's own address.")
    return name


def _read_registry(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / REGISTRY_FILE
    if not path.exists():
        return {}
    try:
        registry: dict[str, dict[str, Any]] = json.loads(path.read_text())
        if not all(len(entry["sha256"]) == 64 and entry["size"] for entry in registry.values()):
            raise ValueError("an entry lacks its size or sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{path} is damaged ({error}); mend it, or delete it to pin the files again."
        ) from error
    return registry


def _write_registry(folder: Path, registry: dict[str, dict[str, Any]]) -> None:
    draft = folder / f"{REGISTRY_FILE}.part"
    draft.write_text(json.dumps(registry, indent=2, sort_keys=True) + "\n")
    os.replace(draft, folder / REGISTRY_FILE)


def _unpacked(path: Path) -> Path:
    return unpack_csv(path) if zipfile.is_zipfile(path) else path


def unpack_csv(archive: Path, *, largest_bytes: int = LARGEST_UNPACKED_BYTES) -> Path:
    """Extract the largest CSV of a zip (bundles also hold small inventories).

    The result lies beside the archive, under the archive's name: a name within the zip never
    becomes a path.

    Raises:
        DownloadError: no CSV in it, damaged, or larger unpacked than `largest_bytes`.
    """
    target = archive.with_suffix(".csv")
    draft = target.with_name(f"{target.name}.part")
    try:
        with zipfile.ZipFile(archive) as bundle:
            tables = [i for i in bundle.infolist() if i.filename.lower().endswith(".csv")]
            if not tables:
                raise DownloadError(
                    f"{archive} holds no CSV, only {', '.join(bundle.namelist()[:5])}; give the "
                    "address of a table or of a zip with a CSV."
                )
            table = max(tables, key=lambda info: info.file_size)
            if table.file_size > largest_bytes:
                raise DownloadError(
                    f"{table.filename} in {archive} unpacks to {table.file_size:,} bytes; no more "
                    f"than {largest_bytes:,} are accepted. Unpack it yourself if you trust it."
                )
            # zipfile stops at the declared size, so a false declaration cannot exceed the limit
            with bundle.open(table) as source, draft.open("wb") as file:
                shutil.copyfileobj(source, file)
    except DownloadError:
        raise
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise DownloadError(
            f"{archive} cannot be unpacked ({error}); delete it and download again."
        ) from error
    os.replace(draft, target)
    return target
