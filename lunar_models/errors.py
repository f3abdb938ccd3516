"""Define the exceptions of the library.

Every error a user can cause derives from `LunarModelsError` and says three things: what was
wrong, which value it was, and the remedy. Steps translate it once into exit code 2, serving
once into a per-item error or a problem reply.
"""

import errno
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

DAMAGES = (
    OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, RuntimeError,
    BadZipFile, TokenError, zlib.error,
)  # fmt: skip
"""What JSON, NumPy, zip and safetensors raise for a damaged file, whichever byte it is."""


class LunarModelsError(Exception):
    """Root of every error this project raises on purpose."""


class ConfigError(LunarModelsError, ValueError):
    """A parameter is outside its limits, or two parameters contradict each other."""


class CatalogueError(LunarModelsError, ValueError):
    """A crater catalogue cannot be used as it is."""


class LabelsError(LunarModelsError, ValueError):
    """A label table cannot be used as it is, or does not fit the catalogue."""


class TaskError(LabelsError):
    """A vote answers a task that was not given to this person, or is not theirs to answer."""


class LabelStoreError(LabelsError):
    """The database of labels cannot be opened, read or written; the labels are not at fault."""


class MosaicError(LunarModelsError, OSError):
    """A mosaic cannot be opened, read, or placed on the Moon."""


class AreaError(LunarModelsError, ValueError):
    """A counting area cannot be read, is not on the Moon, or bounds no region."""


class UnplacedError(MosaicError):
    """An image does not say where on the Moon it lies."""


class DownloadError(LunarModelsError, OSError):
    """A file cannot be fetched, or what arrived is not what was expected."""


class CropSetError(LunarModelsError, OSError):
    """A crop set is missing, unfinished, damaged, or of another format version."""


class OutputBusyError(CropSetError):
    """Another process makes the same output at this moment."""


class CheckpointError(LunarModelsError, OSError):
    """An encoder checkpoint is missing, damaged, or does not fit."""


class CropImageError(LunarModelsError, ValueError):
    """An image offered as a crop cannot be decoded or used.

    `code` is a short, stable, machine-readable word for the reason (``"bad_base64"``,
    ``"undecodable"``, ``"too_large"``, …).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or unwritable disk, or a folder that vanished, into a `CropSetError`."""
    try:
        yield
    except OSError as error:
        why = error.strerror
        if isinstance(error, shutil.Error):  # of a whole tree: it keeps only texts of its causes
            why = error.args[0][0][2]
        elif isinstance(error, CropSetError) or error.errno not in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EFBIG,
            errno.EACCES,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.EPERM,
            errno.EIO,
            errno.ESTALE,
            errno.ENAMETOOLONG,
            errno.ENOENT,  # of /proc, or where somebody deleted the folder
        ):
            raise
        raise CropSetError(
            f"Cannot write to {path}: {why}. Free some space or choose another output, "
            "and start again: finished parts are kept."
        ) from error
