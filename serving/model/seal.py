"""Seal a bundle folder with digests, and check that it is, byte by byte, what was registered."""

import hashlib
import json
from pathlib import Path

from lunar_models.errors import CheckpointError
from serving.model.schema import SCHEMA_VERSION

BUNDLE_FILE = "bundle.json"


def seal(folder: Path) -> None:
    """Write the digests of all files; to be done last."""
    contents = {"schema_version": SCHEMA_VERSION, "sha256": digests(folder)}
    (folder / BUNDLE_FILE).write_text(json.dumps(contents, indent=2, sort_keys=True) + "\n")


def seal_digest(folder: Path) -> str:
    """SHA-256 of a bundle's seal, and so of all of it."""
    return _digest(folder / BUNDLE_FILE)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the seal itself, by its path within the folder."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != BUNDLE_FILE)
    return {p.relative_to(folder).as_posix(): _digest(p) for p in sorted(files)}


def verify(folder: Path) -> None:
    """Compare a folder with its seal.

    Raises:
        CheckpointError: it is no bundle, of another schema version, or not what was registered.
    """
    try:
        contents = json.loads((folder / BUNDLE_FILE).read_text())
        version, expected = contents["schema_version"], contents["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder} is not a service bundle: {error}.") from error
    if version != SCHEMA_VERSION:
        raise CheckpointError(
            f"The bundle {folder} has schema version {version}, this code serves "
            f"{SCHEMA_VERSION}; register the model again."
        )
    if changed := _changed(folder, expected):
        raise CheckpointError(
            f"The bundle {folder} is not what was registered: {', '.join(changed)} changed or "
            "missing. Register the model again."
        )


def changed_files(folder: Path) -> list[str]:
    """Names of the files that are not what a sound seal lists, missing or further ones.

    Raises:
        CheckpointError: a file cannot be read.
    """
    return _changed(folder, json.loads((folder / BUNDLE_FILE).read_text())["sha256"])


def _changed(folder: Path, expected: dict[str, str]) -> list[str]:
    try:
        found = digests(folder)
    except OSError as error:
        raise CheckpointError(f"The bundle {folder} cannot be read: {error}.") from error
    return sorted(k for k in expected | found if expected.get(k) != found.get(k))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
