"""Follow the file that says which craters are labelled, and in which order."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lunar_models.errors import LunarModelsError
from lunar_models.labelling.assignment import Assignment

_LOOK_S = 1.0
_log = logging.getLogger(__name__)


class FollowedAssignment:
    """The tasks of a labelling, made anew within a second when the file of the order changes.

    Args:
        file: the order; None: nothing changes.
        make: makes the tasks of the order as it is.

    Raises:
        LunarModelsError: as `make`.
    """

    def __init__(self, file: Path | None, make: Callable[[], Assignment]) -> None:
        self._file, self._make = file, make
        self._lock = threading.Lock()
        self._state = self._look()  # before reading: what changes meanwhile is read again
        self._assignment = make()
        self._checked = time.monotonic()

    def current(self) -> Assignment:
        """Return the tasks; an order that cannot be used leaves the former ones, and is logged."""
        with self._lock:
            if time.monotonic() > self._checked + _LOOK_S:
                self._checked = time.monotonic()
                state = self._look()
                if state != self._state:
                    self._state = state
                    self._make_anew()
            return self._assignment

    def _make_anew(self) -> None:
        try:
            self._assignment = self._make()
        except LunarModelsError as error:
            _log.error("the order cannot be read again", extra={"reason": str(error)})
        else:
            _log.info("the order has changed")

    def _look(self) -> tuple[int, int, int] | None:
        """What changes whenever the file does; None without a file."""
        if self._file is None:
            return None
        try:
            stat = self._file.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
