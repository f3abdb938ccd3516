"""Name the files of a release, and open one without the crop engine."""

import json
from pathlib import Path
from typing import Any

from lunar_models.errors import CropSetError

SCHEMA_VERSION = 1
"""Columns are only ever added to a version."""

CRATERS_FILE, EMBEDDINGS_FILE, TILES_FILE, METADATA_FILE = (
    "craters.parquet", "embeddings.parquet", "tiles.arrow", "metadata.json",
)  # fmt: skip


def open_release(output: Path) -> dict[str, Any] | None:
    """Return what `metadata.json` says; None where nothing is.

    Raises:
        CropSetError: something else is there.
    """
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
