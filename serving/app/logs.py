"""Write log lines as JSON, one object per line, without contents of requests and passwords."""

import json
import logging
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from typing import TextIO

from lunar_models.config.databases import hide_passwords

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_WRITE_S = 0.2
"""How long a line may wait for others, to be written together with them."""


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, and whatever came as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        fields |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return hide_passwords(json.dumps(fields, default=str))


class BatchingHandler(logging.Handler):
    """Writes lines together, a few times a second, so that no request waits for the disk.

    Warnings and worse are written at once, with what came before them. What is left at the end of
    the process is written by `logging.shutdown`.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._records: deque[logging.LogRecord] = deque()
        self._waiting = threading.Event()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        self._records.append(record)
        if record.levelno >= logging.WARNING:
            self.flush()
        elif not self._waiting.is_set():
            self._waiting.set()

    def _run(self) -> None:
        pause = threading.Event()
        while self._waiting.wait():
            pause.wait(_WRITE_S)
            self._waiting.clear()
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        with self.lock or threading.RLock():
            lines = []
            while self._records:
                record = self._records.popleft()
                try:
                    lines.append(self.format(record) + "\n")
                except Exception:
                    self.handleError(record)
            if lines:
                try:
                    self._stream.write("".join(lines))
                    self._stream.flush()
                except (OSError, ValueError):  # the other end of a pipe has gone
                    return


def configure(level: str) -> None:
    """Send the log of this process to standard error.

    Args:
        level: ``info`` has a line per request, ``warning`` has not.
    """
    # What no line holds need not be found out for each (see "Optimization" in Python's `logging`).
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False
    handler = BatchingHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
