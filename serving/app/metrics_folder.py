"""Make the folder through which workers share their metrics, and clean up after killed servers."""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)
_PREFIX = "lunar-metrics-"
_LOCK = "lock"
_FILE_BYTES = 2**20  # as prometheus_client makes them
_KINDS = ("counter", "histogram", "gauge_livesum", "gauge_livemin")


@contextmanager
def metrics_folder() -> Iterator[Path]:
    """Make the folder, named in PROMETHEUS_MULTIPROC_DIR; removes those of servers that died."""
    _remove_left_behind()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held as long as this process lives
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def reserve_files() -> None:
    """Reserve disk space for this process's metrics; to be called before they are imported.

    They are memory maps of sparse files: on a disk that is full, the first write would end the
    process with SIGBUS. Without room this process counts for itself alone.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return
    files = [Path(folder) / f"{kind}_{os.getpid()}.db" for kind in _KINDS]
    try:
        for file in files:
            file.write_bytes(bytes(_FILE_BYTES))
    except OSError as error:
        _log.error("no room for shared metrics", extra={"reason": error.strerror})
        for file in files:
            file.unlink(missing_ok=True)
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
