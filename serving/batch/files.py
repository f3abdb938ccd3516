"""Write files atomically, each with a record of its digest."""

import errno
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from lunar_models.errors import CropSetError, disk_errors

LOCK_FILE = "driver.lock"


@dataclass(frozen=True)
class Record:
    """Describe one finished file: what it holds, what it was made of and what it cost."""

    sha256: str
    rows: int
    source: str
    """Digest of what it was made of."""
    cpu_seconds: float = 0.0
    """Processor time of the process that made it."""
    rejected: list[list[str]] = field(default_factory=list)
    """crater_id and reason of the craters that were refused while it was made."""


def record_file(path: Path) -> Path:
    """Return where the record of a file lies."""
    return path.with_name(path.name + ".json")


def read_record(path: Path) -> Record | None:
    """Return the record of a file; None where it is unfinished."""
    try:
        return Record(**json.loads(record_file(path).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CropSetError(f"{record_file(path)} is damaged ({error}); delete it.") from error


def find_fault(path: Path, source: str) -> str | None:
    """Compare a finished file with its record; None where they agree, else what is wrong.

    Args:
        path: the file.
        source: digest of what it should be made of.
    """
    try:
        record = read_record(path)
    except CropSetError as error:
        return str(error)
    if record is None:
        return f"{path.name} is not finished"
    if not path.is_file():
        return f"{path.name} is missing, though its record is there"
    if record.source != source:
        return f"{path.name} was made of another plan or other crops"
    if (found := digest(path)) != record.sha256:
        return f"{path.name} has the digest {found[:12]}…, recorded was {record.sha256[:12]}…"
    return None


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, bring it to the disk, and rename it.

    Args:
        path: its final name; an existing file is replaced.
        write: called with the temporary name, which no other process uses.

    Raises:
        CropSetError: the disk is full or not writable.
    """
    with disk_errors(path.parent):
        fresh = temporary(path)
        try:
            write(fresh)
            sync(fresh)
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        sync(path.parent)


def write_recorded(
    path: Path,
    write: Callable[[Path], object],
    *,
    rows: int,
    source: str,
    cpu_seconds: float,
    rejected: list[list[str]] | None = None,
) -> Record:
    """Write a file as `write_whole` does, then its record."""
    found: list[str] = []

    def write_and_digest(fresh: Path) -> None:
        write(fresh)
        found.append(digest(fresh))

    write_whole(path, write_and_digest)
    record = Record(found[0], rows, source, round(cpu_seconds, 3), rejected or [])
    text = json.dumps(asdict(record))
    write_whole(record_file(path), lambda fresh: fresh.write_text(text))
    return record


def temporary(path: Path) -> Path:
    """Return a name beside `path` that only this process uses."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.new")


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock of a work folder; it ends with the process, however that ends.

    Args:
        folder: exists.
        alone: true for a driver, which tolerates nobody else; false for one of several shares.

    Raises:
        CropSetError: the lock is held by somebody whom that excludes.
    """
    with disk_errors(folder), (folder / LOCK_FILE).open("a+") as file:
        try:
            _lock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CropSetError(
                f"Another process is working on {folder} ({_holder(folder)}); wait for it, or "
                "choose another output."
            ) from error
        if alone:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
        yield


@contextmanager
def waited_for(file: Path) -> Iterator[None]:
    """Hold a lock as soon as nobody else does; it ends with the process."""
    with disk_errors(file.parent), file.open("a") as held:
        _lock(held, fcntl.LOCK_EX)
        yield


def _lock(file: IO[str], kind: int) -> None:
    try:
        fcntl.flock(file, kind)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise
        raise CropSetError(
            f"The file system of {file.name} has no locks ({error.strerror}), which keep two jobs "
            "apart. Mount it with them (Lustre: -o flock; NFS: version 4), or choose an output on "
            "another one."
        ) from error


def _holder(folder: Path) -> str:
    return (folder / LOCK_FILE).read_text() or "a share of a job array"
