"""Hold the served model, and swap to the next one without losing a request.

A small JSON file, the pointer, says which model folder to serve. The follower writes it, in a
process of its own; each worker watches it, loads the new model beside the old one, and swaps.
"""

import gc
import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from lunar_models.errors import LunarModelsError
from serving.app import metrics
from serving.app.pointer import Pointer
from serving.model.bundle import Bundle, identify
from serving.model.classify import warm_up
from serving.model.schema import ModelAnswer
from serving.model.seal import seal_digest

_log = logging.getLogger(__name__)
_WATCH_S = 0.3


@dataclass(frozen=True)
class Served:
    """A loaded model. A request keeps the one it began with to its end."""

    bundle: Bundle
    embedder: Bundle
    """The encoder alone, for requests that want no more."""
    identity: ModelAnswer
    digest: str
    """Of the bundle's seal: what a release says of the model that made it."""

    @classmethod
    def load(cls, pointer: Pointer) -> "Served":
        """Load and warm up the model that the pointer names.

        Raises:
            LunarModelsError: it is damaged, or of another schema version.
        """
        assert pointer.folder is not None
        bundle = Bundle.load(pointer.folder)
        warm_up(bundle)
        identity = identify(Path(pointer.folder))
        named = {"name": pointer.name, "version": pointer.version}
        identity = identity.model_copy(update={k: v for k, v in named.items() if v is not None})
        embedder = replace(bundle, head=None, clusters=None, neighbours=None, scores=False)
        return cls(bundle, embedder, identity, seal_digest(Path(pointer.folder)))


class ModelHolder:
    """The current model; `watch` keeps it in step with the pointer."""

    def __init__(self, file: Path) -> None:
        self.current: Served | None = None
        self.pointer = Pointer()
        self.load_problem: str | None = None
        """Why the newest model is not the one that answers, if it is not."""
        self.swaps = 0
        self._file = file
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-watch", daemon=True)

    def wait_for_first(self, seconds: float) -> None:
        """Load the first model, unless there is none to be had for the moment."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._try_refresh()
            if self.current or self.load_problem or self.pointer.problem:
                return
            time.sleep(_WATCH_S)

    def watch(self) -> None:
        """Start watching in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Look at the pointer once and swap if it names another model."""
        before, self.pointer = self.pointer, Pointer.read(self._file)
        if self.pointer.folder is None or self.pointer.folder == before.folder:
            return
        newest = self._load(self.pointer)
        if newest is not None:
            self.load_problem = None  # before the swap: no reply may blame the new model
        elif self.current is None and (last := self.pointer.fallback()):
            newest = self._load(last)
        if newest is None:
            return
        self.current = newest
        _set_aside_what_stays()
        self.swaps += 1
        metrics.note_model(newest.identity.version)
        identity = {"model": newest.identity.name, "version": newest.identity.version}
        _log.info("model in service", extra=identity)

    def _load(self, pointer: Pointer) -> Served | None:
        """Load a model; None, and why in `load_problem`, if it must not serve."""
        assert pointer.folder is not None
        try:
            return Served.load(pointer)
        except LunarModelsError as error:
            extra = {"model": pointer.name, "version": pointer.version, "reason": str(error)}
            _log.error("model refused", extra=extra)
            self.load_problem = str(error).replace(pointer.folder, "of this version")
            return None

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_S):
            self._try_refresh()

    def _try_refresh(self) -> None:
        try:
            self.refresh()
        except Exception:
            # Whatever it is, the current model stays in service.
            _log.exception("watching the model pointer")
            self.load_problem = "unexpected error while loading; see the log"


def _set_aside_what_stays() -> None:
    """Collect garbage now, and exempt libraries and model from later passes (200 ms each)."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
