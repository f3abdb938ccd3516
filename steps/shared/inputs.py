"""Compute digests of a step's inputs, and resolve registry aliases to exact versions."""

import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from lunar_models.config.base import StepConfig, specs
from lunar_models.crops.crop_set import INFO_FILE, CropSet
from lunar_models.encoders.pretrained import SCHEME, pretrained_folder
from lunar_models.mosaic.source_files import source_files
from serving.cli.options import UserError
from steps.shared.versions import find_version, find_versions

C = TypeVar("C", bound=StepConfig)

_MODELS = "models:/"
_FILE_URI = "file://"
_DATABASE = ("postgresql:", "postgresql+")
_WHOLE_FILE_BYTES = 2**26
_SAMPLES = 64
_SAMPLE_BYTES = 2**18


def digest(path: str) -> str:
    """Content digest of an input.

    A crop set has its own; a folder's is that of its files; a file counts together with all files
    that GDAL reads with it, and a SQLite database with its write-ahead log. A registered version
    counts as the logged model it names. What a database server holds may be another at any time:
    its digest is never the same. Other URIs name immutable things and stand for themselves.
    """
    if path.startswith(_DATABASE):
        return uuid.uuid4().hex
    if path.startswith(_MODELS):
        return _model_digest(path)
    packaged = path.startswith(SCHEME)
    place = pretrained_folder(path) if packaged else Path(path.removeprefix(_FILE_URI))
    if (place / INFO_FILE).is_file():
        return CropSet.open(place).info.digest
    if place.is_dir():
        files = sorted(p for p in place.rglob("*") if p.is_file())
        return _joint(f"{p.relative_to(place)} {file_digest(p)}" for p in files)
    if (log := Path(f"{place}-wal")).is_file():
        return _joint(f"{p.name} {file_digest(p)}" for p in (place, log))
    files = [Path(name) for name in source_files(str(place)) if Path(name).is_file()]
    if len(files) < 2:
        return file_digest(files[0]) if files else path
    return _joint(f"{os.path.relpath(p, place.parent)} {file_digest(p)}" for p in sorted(files))


def file_digest(file: Path) -> str:
    """Compute the sha256 of a file, sampled above 64 MiB.

    Of a larger file the size, the modification time and 64 evenly spread samples count: hashing a
    6 GB mosaic for each run would cost more than the step.
    """
    status = file.stat()
    if status.st_size <= _WHOLE_FILE_BYTES:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    sha = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    with file.open("rb") as stream:
        for i in range(_SAMPLES):
            stream.seek(i * (status.st_size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            sha.update(stream.read(_SAMPLE_BYTES))
    return sha.hexdigest()


def open_crops(path: str) -> CropSet:
    """Open a crop set for work on all its crops, having compared a sample with its digests.

    Raises:
        CropSetError: it is missing, unfinished, damaged or has changed since it was made.
    """
    crop_set = CropSet.open(path)
    crop_set.check_bytes()
    return crop_set


def pinned(config: C) -> C:
    """Replace registry aliases among the inputs (``models:/NAME@ALIAS``) by exact versions.

    What a step reads, what its key covers and what its lineage says is then one and the same,
    even if somebody moves the alias meanwhile.

    Raises:
        UserError: there is no such model or alias.
    """
    changes: dict[str, object] = {}
    for spec in specs(type(config)):
        if spec.role == "input" and (value := getattr(config, spec.name)):
            exact = tuple(map(_pin, value)) if spec.repeated else _pin(value)
            if exact != value:
                changes[spec.name] = exact
    return config.replace(**changes) if changes else config


def _pin(uri: str) -> str:
    """``models:/NAME@ALIAS`` or ``models:/NAME/latest`` -> ``models:/NAME/VERSION``."""
    if not uri.startswith(_MODELS):
        return uri
    name, slash, version = uri.removeprefix(_MODELS).partition("/")
    if version.lower() == "latest":
        found = next(iter(find_versions(name)), None)
    elif slash or "@" not in name:  # a version, or the id of a logged model
        return uri
    else:
        name, _, alias = name.rpartition("@")
        found = find_version(name, alias)
    if found is None:
        raise UserError(f"{uri} names no version; `mlflow ui` shows what {name} has.")
    return f"{_MODELS}{name}/{found.version}"


def _model_digest(uri: str) -> str:
    """The logged model behind a version: a registered name can be deleted and filled anew."""
    name, _, version = _pin(uri).removeprefix(_MODELS).partition("/")
    if not version.isdigit():
        return uri
    found = find_version(name, version)
    if found is None:
        return uri  # whoever loads it says so
    # Without a logged model, where the files are does not say when they were put there.
    return str(found.model_id or f"{found.source} {found.creation_timestamp}")


def _joint(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
