"""Name the files of a release, and open one without the crop engine."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lunar_models.errors import CropSetError, disk_errors

SCHEMA_VERSION = 1
"""Columns are only ever added to a version."""

CRATERS_FILE, EMBEDDINGS_FILE, TILES_FILE, REJECTED_FILE, METADATA_FILE = (
    "craters.parquet", "embeddings.parquet", "tiles.arrow", "rejected.csv", "metadata.json",
)  # fmt: skip


def open_release(output: Path) -> dict[str, Any] | None:
    """Return what `metadata.json` says; None where nothing is.

    Raises:
        CropSetError: something else is there, or nothing can be.
    """
    with disk_errors(output):
        if not output.exists() or (output.is_dir() and not any(output.iterdir())):
            return None
    try:
        found: dict[str, Any] = json.loads((output / METADATA_FILE).read_text())
        if found["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {found['schema_version']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CropSetError(
            f"{output} exists and is no release of this code ({error}). Delete it or choose "
            "another output."
        ) from error
    return found


def check_files(output: Path, said: dict[str, Any], *, digests: bool = True) -> None:
    """Make sure that the files of a release are what was published.

    Args:
        output: the release folder.
        said: what its `metadata.json` says.
        digests: compare the sha256 too, which reads every byte; else only presence and size.

    Raises:
        CropSetError: names the first file that is missing or changed.
    """
    remedy = f"delete the folder {output} and run classify again"
    files = said.get("files")
    if not isinstance(files, dict) or not {CRATERS_FILE, EMBEDDINGS_FILE} <= files.keys():
        raise CropSetError(f"{output / METADATA_FILE} does not list the release's files; {remedy}.")
    for name, known in files.items():
        if (fault := _fault(output / name, known, digests)) is not None:
            raise CropSetError(f"{output / name} {fault}; {remedy}.")


def _fault(file: Path, known: Any, digests: bool) -> str | None:
    if not isinstance(known, dict) or not {"sha256", "bytes"} <= known.keys():
        return f"has no size and digest in {METADATA_FILE}"
    if not file.is_file():
        return "is missing"
    if (size := file.stat().st_size) != known["bytes"]:
        return f"is not what was published ({size} bytes, not {known['bytes']})"
    if digests:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != known["sha256"]:
            return f"is not what was published (sha256 {found}, not {known['sha256']})"
    return None
