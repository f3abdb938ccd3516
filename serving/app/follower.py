"""Follows an alias of the Model Registry: looks it up, downloads what is new, moves the pointer.

Runs beside the workers, which know nothing of MLflow: when the tracking server is down or slow,
only news are late.
"""

import hashlib
import logging
import os
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from lunar_models.errors import ConfigError
from serving.app.pointer import Pointer

_log = logging.getLogger(__name__)
_ALIAS = re.compile(r"^models:/(?P<name>[^@/]+)@(?P<alias>[^@/]+)$")
_VERSION = re.compile(r"^models:/(?P<name>[^@/]+)/(?P<version>\d+)$")
_ABSOLUTE = re.compile(r"^(/|file:///|[\w+-]+:////|[\w+-]+://[^/])")
"""A store that is the same from every working folder: a server, or an absolute path."""
_BUNDLE = ("", "bundle", "artifacts/bundle")
_KEPT = 2
"""Downloads that stay in the cache: the one in service and the one before."""


class Follower:
    """Keeps the pointer file up to date.

    Args:
        uri: ``models:/name@alias`` is followed; anything else is looked up once.
        cache: folder for downloads and the pointer.
        poll_s: seconds between looks.
    """

    def __init__(self, uri: str, cache: Path, poll_s: float) -> None:
        self._uri, self._poll_s = uri, poll_s
        key = hashlib.sha256(_meaning(uri).encode()).hexdigest()
        self._folder = cache.expanduser() / key[:12]
        self._folder.mkdir(parents=True, exist_ok=True)
        self.file = self._folder / "current.json"
        self._pointer = Pointer.read(self.file)
        self._settled = False

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set."""
        # Two quick tries instead of minutes of patience: there is a model to serve meanwhile.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        while not stop.is_set() and not self._settled:
            self.look()
            stop.wait(self._poll_s)

    def look(self) -> None:
        """Look once; whatever goes wrong is noted in the pointer and the log."""
        try:
            pointer = self._resolve()
        # MLflow raises its own errors, those of requests, SQLAlchemy, botocore, …
        except Exception as error:
            pointer = replace(self._pointer, problem=f"{type(error).__name__}: {error}"[:500])
        if pointer == self._pointer:
            return
        if pointer.problem and not self._pointer.problem:
            _log.error("registry out of reach", extra={"reason": pointer.problem})
        if pointer.folder != self._pointer.folder:
            _log.info("alias moved", extra={"model": pointer.name, "version": pointer.version})
        pointer.write(self.file)
        self._pointer = pointer

    def _resolve(self) -> Pointer:
        """The pointer as it should be; downloads what is missing."""
        local = Path(self._uri)
        if local.is_dir():
            self._settled = True
            return Pointer(folder=str(_bundle_in(local)))
        if alias := _ALIAS.match(self._uri):
            found = _client().get_model_version_by_alias(alias["name"], alias["alias"])
            return self._fetch(alias["name"], str(found.version), f"{found.source}")
        if version := _VERSION.match(self._uri):
            found = _client().get_model_version(version["name"], version["version"])
            pointer = self._fetch(version["name"], version["version"], f"{found.source}")
        else:
            pointer = self._fetch(None, None, self._uri)
        self._settled = True
        return pointer

    def _fetch(self, name: str | None, version: str | None, source: str) -> Pointer:
        """Download a model unless the cache has it."""
        digest = hashlib.sha256(f"{name} {version} {source}".encode()).hexdigest()[:16]
        folder = self._folder / digest
        if not folder.is_dir():
            partial = self._folder / f"{digest}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            _download(f"models:/{name}/{version}" if name else source, partial)
            os.replace(partial, folder)
            self._forget_old(folder)
        return Pointer(folder=str(_bundle_in(folder)), name=name, version=version)

    def _forget_old(self, newest: Path) -> None:
        folders = [path for path in self._folder.iterdir() if path.is_dir() and path != newest]
        folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in folders[_KEPT - 1 :]:
            shutil.rmtree(path, ignore_errors=True)


def _meaning(uri: str) -> str:
    """What a model URI means here: unset and relative stores are those of the working folder."""
    tracking, registry = (
        os.environ.get(f"MLFLOW_{which}_URI", "") for which in ("TRACKING", "REGISTRY")
    )
    stores = [tracking, registry] if registry else [tracking]
    anchored = uri.startswith(("models:/", "runs:/")) and all(map(_ABSOLUTE.match, stores))
    return " ".join([uri, *stores, *([] if anchored else [str(Path.cwd())])])


def _bundle_in(folder: Path) -> Path:
    for place in _BUNDLE:
        if (folder / place / "bundle.json").is_file():
            return (folder / place).absolute()
    raise ConfigError(f"{folder} holds no service model; register one with the register step.")


def _client() -> Any:
    import mlflow  # takes a second, and is not needed for a local folder

    return mlflow.MlflowClient()


def _download(uri: str, folder: Path) -> None:
    import mlflow

    mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder))
