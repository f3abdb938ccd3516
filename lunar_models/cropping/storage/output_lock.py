"""Let one process at a time make an output, and refuse outputs that could not be published."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lunar_models.errors import CropSetError, OutputBusyError, disk_errors


@contextmanager
def output_lock(output: str | Path, *, shared: bool = False) -> Iterator[None]:
    """Hold an output folder for this process, by a lock file beside it.

    The kernel drops the lock of a process that dies. The file is removed at the end, so whoever
    got hold of a removed one tries again. A shared lock leaves it to its last exclusive holder.

    Args:
        output: the folder.
        shared: tolerate others that share it, too.

    Raises:
        OutputBusyError: another process makes it.
        CropSetError: the lock file cannot be written.
    """
    place = Path(output).resolve()
    file = place.with_name(f".{place.name}.lock")
    with ExitStack() as stack:
        descriptor = _acquire(file, place, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        stack.callback(os.close, descriptor)
        if not shared:
            stack.callback(os.remove, file)
        with suppress(OSError):  # a full disk; the lock holds without the note
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield


def _acquire(file: Path, place: Path, kind: int) -> int:
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise CropSetError(
                f"Cannot write beside {place}: {error.strerror}. Choose another output."
            ) from error
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise OutputBusyError(
                f"{place} is being made by {holder}. Wait for it, or choose another output."
            ) from error
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # removed by its last holder in between


def check_output(output: str | Path) -> None:
    """Make sure that a folder can take the name of the output, before anything is computed.

    Raises:
        CropSetError: it is a symbolic link, a mount point or a file, or has no name of its own,
            or too long a one.
    """
    place = Path(output)
    if not place.name:
        raise CropSetError(f"output={str(output)!r} names no folder of its own; give one.")
    with disk_errors(place):
        for path in (place, place.with_name(f"{place.name}.partial")):
            if path.is_symlink():
                raise CropSetError(
                    f"{path} is a symbolic link to {os.readlink(path)}; give the folder that it "
                    "leads to, or a folder inside that."
                )
            if path.is_dir() and os.path.ismount(path):
                raise CropSetError(f"{path} is a mount point; choose a folder inside it as output.")
            if path.exists() and not path.is_dir():
                raise CropSetError(f"{path} is a file, not a folder; choose another output.")
    above = next(p for p in place.absolute().parents if p.exists())
    if not above.is_dir():
        raise CropSetError(f"{above} is a file, so {place} cannot be made; choose another output.")
