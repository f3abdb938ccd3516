"""Create, revoke and look up tokens: random, shown once, stored only as SHA-256.

A slow password hash would gain nothing, since a token has 256 random bits.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lunar_models.errors import DAMAGES, ConfigError

SCOPES = ("predict", "read", "metrics", "label", "adjudicate")
"""predict: send images or places; read: look into the catalogue; metrics: Prometheus; label: give
labels, under the token's name; adjudicate: decide between differing labels, too."""

DEFAULT_SCOPES = ("predict", "read", "metrics")
"""Of a token for programs; a person who labels is given `label` by name."""

_MOST_NAME = 100
_RELOAD_S = 1.0
_log = logging.getLogger(__name__)


def create_token(file: Path, *, name: str, scopes: Iterable[str]) -> str:
    """Add a token to the file, made if missing, and return it: this is the only time it is seen.

    Raises:
        ConfigError: the name is taken or could not sign a label, a scope is unknown, or the file
            is damaged.
    """
    if not 0 < len(name) <= _MOST_NAME or name != name.strip() or not name.isprintable():
        raise ConfigError(
            f"name {name[:_MOST_NAME]!r} is not 1 to {_MOST_NAME} printable characters without "
            "blanks at its ends; choose another."
        )
    scopes = sorted(set(scopes))
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise ConfigError(f"scope {unknown[0]!r} is not one of {', '.join(SCOPES)}.")
    token = secrets.token_urlsafe(32)
    with _locked(file):
        entries = _read(file) if file.exists() else []
        if any(entry["name"] == name for entry in entries):
            raise ConfigError(f"{file} has a token named {name!r} already; choose another name.")
        entries.append({"name": name, "sha256": _digest(token), "scopes": scopes})
        _write(file, entries)
    return token


def revoke_token(file: Path, *, name: str) -> None:
    """Take a token out of the file.

    Raises:
        ConfigError: there is no such token.
    """
    with _locked(file):
        entries = _read(file)
        kept = [entry for entry in entries if entry["name"] != name]
        if len(kept) == len(entries):
            raise ConfigError(f"{file} has no token named {name!r}.")
        _write(file, kept)


@dataclass(frozen=True)
class Caller:
    """Whose token it is, and what it may do."""

    name: str
    scopes: frozenset[str]


class TokenStore:
    """Looks tokens up; notices within a second when the file changes.

    Raises:
        ConfigError: the file is missing or damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._load()

    def scopes(self, token: str) -> frozenset[str] | None:
        """Return the scopes of a token; None for an unknown one."""
        caller = self.caller(token)
        return None if caller is None else caller.scopes

    def caller(self, token: str) -> Caller | None:
        """Return who a token was given to; None for an unknown one."""
        if time.monotonic() > self._checked + _RELOAD_S:
            self._reload()
        # Only digests are compared, so how long it takes tells nothing about the token.
        return self._callers.get(_digest(token))

    def _load(self) -> None:
        self._state = self._look()  # before reading: what changes meanwhile is read again
        entries = _read(self._file)
        self._callers = {
            entry["sha256"]: Caller(entry["name"], frozenset(entry["scopes"])) for entry in entries
        }
        self._checked = time.monotonic()

    def _look(self) -> tuple[int, int, int] | None:
        """What changes whenever the file is replaced, however quickly; None without a file."""
        try:
            stat = self._file.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _reload(self) -> None:
        self._checked = time.monotonic()
        if self._look() == self._state:
            return
        try:
            self._load()
        except ConfigError as error:
            # A file that cannot be read must not open or close doors; said once, since `_load` has
            # noted the state that it met.
            _log.error("tokens cannot be read again", extra={"reason": str(error)})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(file.read_text())["tokens"]
        for entry in entries:
            texts = entry["name"], entry["sha256"], *entry["scopes"]
            if isinstance(entry["scopes"], str) or not all(isinstance(t, str) for t in texts):
                raise ValueError("an entry has texts as name and sha256, and a list of scopes")
    except DAMAGES as error:
        raise ConfigError(
            f"{file} cannot be read as a file of tokens ({error}); make one with lunar-token."
        ) from error
    return list(entries)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep other processes from changing the file; the lock is a file beside it."""
    try:
        descriptor = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written ({error.strerror}).") from error
    with os.fdopen(descriptor) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(file: Path, entries: list[dict[str, Any]]) -> None:
    """Replace the file atomically: it is never seen half written."""
    descriptor, temporary = tempfile.mkstemp(prefix=f"{file.name}.", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"tokens": entries}, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
