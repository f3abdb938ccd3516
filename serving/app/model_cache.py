"""Cache downloaded models: one folder for each tracking server and model URI."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from lunar_models.errors import ConfigError
from serving.model import artifacts

_BUNDLE = ("", "bundle", "artifacts/bundle")
_ABSOLUTE = re.compile(r"^(/|file:///|[\w+-]+:////|[\w+-]+://[^/])")
"""A store that is the same from every working folder: a server, or an absolute path."""
_TRIED = "tried"
_RESERVE_BYTES = 2**16


class ModelCache:
    """The folder of one model URI.

    Args:
        root: for all; made if missing.
        uri: of the model.
    """

    def __init__(self, root: Path, uri: str) -> None:
        key = hashlib.sha256(_meaning(uri).encode()).hexdigest()
        self.folder = root.expanduser().absolute() / key[:12]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._reserve = self.folder / "reserve"
        self.keep_reserve()

    def key(self, name: str | None, version: str | None, source: str) -> str:
        """Return the name under which downloads of a model version are kept."""
        return hashlib.sha256(f"{name} {version} {source}".encode()).hexdigest()[:16]

    def find(self, key: str) -> Path | None:
        """Return the bundle folder of the newest download, if there is one."""
        for folder in sorted(self._downloads(key), reverse=True):
            with contextlib.suppress(ConfigError):
                return bundle_in(folder)
        return None

    def _downloads(self, key: str) -> list[Path]:
        return [p for p in self.folder.glob(f"{key}-*") if p.is_dir() and p.suffix != ".partial"]

    def download(self, key: str, uri: str) -> Path:
        """Download a model beside what is there, and return its bundle folder.

        Raises:
            ConfigError: it holds no bundle.
            Exception: whatever MLflow raises; nothing is left behind.
        """
        folder = self.folder / f"{key}-{time.time_ns()}"
        partial = folder.with_suffix(".partial")
        try:
            partial.mkdir()
            artifacts.download(uri, partial)
            bundle_in(partial)
            os.replace(partial, folder)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if shutil.disk_usage(self.folder).free < _RESERVE_BYTES:
                raise OSError(errno.ENOSPC, "No space left for the model") from error
            raise
        return bundle_in(folder)

    def tried(self, bundle: Path) -> bool:
        """Return whether a bundle has passed its trial, here and in this state."""
        mark = self._mark(bundle)
        return mark is not None and mark.is_file() and mark.read_text() == _state(bundle)

    def note_tried(self, bundle: Path) -> None:
        """Note that a bundle has passed its trial, so that a restart need not repeat it."""
        if mark := self._mark(bundle):
            with contextlib.suppress(OSError):
                mark.write_text(_state(bundle))

    def _mark(self, bundle: Path) -> Path | None:
        """Beside the download, not within the sealed bundle; None for folders elsewhere."""
        if self.folder not in bundle.parents:
            return None
        download = bundle
        while download.parent != self.folder:
            download = download.parent
        return download.with_suffix(f".{_TRIED}")

    def forget(self, *, keep: Iterable[str | None]) -> None:
        """Remove all downloads but those that hold the bundles to keep."""
        kept = [Path(folder) for folder in keep if folder]
        for path in self.folder.iterdir():
            if path.is_dir() and not any(path == k or path in k.parents for k in kept):
                shutil.rmtree(path, ignore_errors=True)
                path.with_suffix(f".{_TRIED}").unlink(missing_ok=True)

    def keep_reserve(self) -> None:
        """Reserve disk space for the pointer, for when the disk is full."""
        if not self._reserve.is_file():
            with contextlib.suppress(OSError):
                self._reserve.write_bytes(os.urandom(_RESERVE_BYTES))

    def release_reserve(self) -> None:
        """Release the reserved disk space."""
        self._reserve.unlink(missing_ok=True)


def bundle_in(folder: Path) -> Path:
    """Return the bundle within a model folder, a bundle folder itself, or a logged model.

    Raises:
        ConfigError: there is none.
    """
    for place in _BUNDLE:
        if (folder / place / "bundle.json").is_file():
            return (folder / place).absolute()
    raise ConfigError(f"{folder.name} holds no service model; register one with the register step.")


def _state(bundle: Path) -> str:
    seal = (bundle / "bundle.json").read_bytes()
    return hashlib.sha256(seal).hexdigest()


def _meaning(uri: str) -> str:
    """What a model URI means here: unset and relative stores are those of the working folder."""
    tracking, registry = (
        os.environ.get(f"MLFLOW_{which}_URI", "") for which in ("TRACKING", "REGISTRY")
    )
    stores = [tracking, registry] if registry else [tracking]
    anchored = uri.startswith(("models:/", "runs:/")) and all(map(_ABSOLUTE.match, stores))
    return " ".join([uri, *stores, *([] if anchored else [str(Path.cwd())])])
