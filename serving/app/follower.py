"""Follow an alias of the Model Registry: look it up, download new versions, update the pointer.

Runs beside the workers, which do not use MLflow: when the tracking server is down or slow, only
updates are delayed. The pointer names only models that were tried (`serving.app.trial`) and whose
files are still what was registered; a damaged copy is downloaded again.
"""

import errno
import logging
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from lunar_models.config.databases import hide_passwords
from lunar_models.errors import CheckpointError, ConfigError
from serving.app.model_cache import ModelCache, bundle_in
from serving.app.pointer import Pointer
from serving.app.trial import try_model
from serving.model.seal import verify

_log = logging.getLogger(__name__)
_ALIAS = re.compile(r"^models:/(?P<name>[^@/]+)@(?P<alias>[^@/]+)$")
_VERSION = re.compile(r"^models:/(?P<name>[^@/]+)/(?P<version>\d+)$")
_TRIAL_S = 300.0


class Follower:
    """A process that keeps the pointer file up to date.

    Args:
        uri: ``models:/name@alias`` is followed; anything else is looked up once.
        cache: folder for downloads and the pointer.
        poll_s: seconds between looks.
    """

    def __init__(self, uri: str, cache: Path, poll_s: float) -> None:
        self._uri, self._poll_s = uri, poll_s
        self._cache = ModelCache(cache, uri)
        self.file = self._cache.folder / "current.json"
        self._refused: dict[str, str] = {}
        """Reasons by the key of the download."""
        self._settled = False
        self._pointer = self._first_pointer()
        self._state = self._files()

    def _first_pointer(self) -> Pointer:
        """The pointer of the last time, if its model is whole; else the model before."""
        pointer = Pointer.read(self.file)
        for candidate in (pointer, pointer.fallback()):
            if candidate is not None and candidate.folder and self._whole(candidate.folder):
                found = replace(candidate, problem=None, refused=None, newest=None)
                if found.folder != pointer.folder:
                    self._publish(found)
                return found
        if pointer.folder:
            self._publish(Pointer())
        return Pointer()

    def _whole(self, folder: str) -> bool:
        try:
            verify(Path(folder))
        except CheckpointError as error:
            _log.error("cached model is damaged", extra={"reason": str(error)})
            return False
        return True

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        """Names, sizes and times of the files in service."""
        if not self._pointer.folder:
            return ()
        files = sorted(p for p in Path(self._pointer.folder).rglob("*") if p.is_file())
        return tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files)

    def run(self, stop: threading.Event) -> None:
        """Look the alias up periodically until `stop` is set."""
        # Two quick tries instead of minutes of patience: there is a model to serve meanwhile.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        while not stop.is_set():
            try:
                self.look()
            except Exception:  # the thread must not end; a full disk may be emptied again
                _log.exception("following the alias")
            stop.wait(self._poll_s)

    def look(self) -> None:
        """Look the alias up once; errors are noted in the pointer and the log."""
        before = self._pointer
        if before.folder and self._files() != self._state and not self._whole(before.folder):
            self._settled = False
            before = before.fallback() or Pointer()
        if self._settled:
            return
        try:
            pointer = self._resolve(before)
        # MLflow raises its own errors, those of requests, SQLAlchemy, botocore, …
        except Exception as error:
            reason = hide_passwords(f"{type(error).__name__}: {error}")[:500]
            if not self._pointer.problem:
                _log.error("registry out of reach", extra={"reason": reason})
            pointer = replace(before, problem=_public(error))
        if pointer == self._pointer:
            return
        if pointer.folder != self._pointer.folder:
            _log.info("alias moved", extra={"model": pointer.name, "version": pointer.version})
        if pointer.refused and pointer.refused != self._pointer.refused:
            extra = {"version": pointer.newest, "reason": pointer.refused}
            _log.error("model refused", extra=extra)
        self._publish(pointer)
        self._pointer, self._state = pointer, ()
        self._state = self._files()
        self._cache.forget(keep=[pointer.folder, (pointer.previous or {}).get("folder")])

    def _publish(self, pointer: Pointer) -> None:
        """Write the pointer, also on a disk that is full.

        Raises:
            OSError: there is no room at all.
        """
        try:
            pointer.write(self.file)
        except OSError:
            self._cache.release_reserve()
            pointer.write(self.file)
        else:
            self._cache.keep_reserve()

    def _resolve(self, before: Pointer) -> Pointer:
        """The pointer as it should be; downloads and tries what is missing."""
        local = Path(self._uri)
        if local.is_dir():
            self._settled = True
            return self._admit(before, str(local), bundle_in(local), None, None)
        if alias := _ALIAS.match(self._uri):
            found = _client().get_model_version_by_alias(alias["name"], alias["alias"])
            return self._fetch(before, alias["name"], str(found.version), f"{found.source}")
        if version := _VERSION.match(self._uri):
            found = _client().get_model_version(version["name"], version["version"])
            pointer = self._fetch(before, version["name"], version["version"], f"{found.source}")
        else:
            pointer = self._fetch(before, None, None, self._uri)
        self._settled = True
        return pointer

    def _fetch(
        self, before: Pointer, name: str | None, version: str | None, source: str
    ) -> Pointer:
        """Download a model, unless the cache has it whole, and try it, unless it was tried."""
        key = self._cache.key(name, version, source)
        if key in self._refused:
            return replace(before, problem=None, newest=version, refused=self._refused[key])
        folder = self._cache.find(key)
        if folder is None or not (str(folder) == before.folder or self._whole(str(folder))):
            folder = self._cache.download(key, f"models:/{name}/{version}" if name else source)
        return self._admit(before, key, folder, name, version)

    def _admit(
        self, before: Pointer, key: str, folder: Path, name: str | None, version: str | None
    ) -> Pointer:
        """The pointer to a model, or to the one before with the reason why not to this one."""
        if str(folder) == before.folder:
            return replace(before, problem=None, refused=None, newest=version)
        if not self._cache.tried(folder):
            if refused := try_model(folder, _TRIAL_S):
                self._refused[key] = refused
                return replace(before, problem=None, newest=version, refused=refused)
            self._cache.note_tried(folder)
        previous = before.identity() if before.folder else before.previous
        return Pointer(str(folder), name, version, newest=version, previous=previous)


def _public(error: Exception) -> str:
    """Make an error public: MLflow's own ones name hosts, paths and databases."""
    if isinstance(error, ConfigError | CheckpointError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk of the model cache is full."
    return f"The registry cannot be asked ({type(error).__name__}); the log says why."


def _client() -> Any:
    import mlflow  # takes a second, and is not needed for a local folder

    return mlflow.MlflowClient()
