"""Tokens: random, shown once, kept only as SHA-256.

A slow password hash would gain nothing, since a token has 256 random bits.
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lunar_models.errors import ConfigError

SCOPES = ("predict", "read", "metrics")
"""predict: send images or places; read: look into the catalogue; metrics: Prometheus."""

_RELOAD_S = 1.0


def create_token(file: Path, *, name: str, scopes: Iterable[str]) -> str:
    """Add a token to the file, made if missing, and return it: this is the only time it is seen.

    Raises:
        ConfigError: the name is taken, a scope is unknown, or the file is damaged.
    """
    scopes = sorted(set(scopes))
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise ConfigError(f"scope {unknown[0]!r} is not one of {', '.join(SCOPES)}.")
    entries = _read(file) if file.exists() else []
    if any(entry["name"] == name for entry in entries):
        raise ConfigError(f"{file} has a token named {name!r} already; choose another name.")
    token = secrets.token_urlsafe(32)
    entries.append({"name": name, "sha256": _digest(token), "scopes": scopes})
    _write(file, entries)
    return token


def revoke_token(file: Path, *, name: str) -> None:
    """Take a token out of the file.

    Raises:
        ConfigError: there is no such token.
    """
    entries = _read(file)
    kept = [entry for entry in entries if entry["name"] != name]
    if len(kept) == len(entries):
        raise ConfigError(f"{file} has no token named {name!r}.")
    _write(file, kept)


class TokenStore:
    """Looks tokens up; notices within a second when the file changes.

    Raises:
        ConfigError: the file is missing or damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._load()

    def scopes(self, token: str) -> frozenset[str] | None:
        """What a token may do; None for an unknown one."""
        if time.monotonic() > self._checked + _RELOAD_S:
            self._reload()
        # Only digests are compared, so how long it takes tells nothing about the token.
        return self._scopes.get(_digest(token))

    def _load(self) -> None:
        self._modified = self._file.stat().st_mtime_ns if self._file.exists() else 0
        entries = _read(self._file)
        self._scopes = {entry["sha256"]: frozenset(entry["scopes"]) for entry in entries}
        self._checked = time.monotonic()

    def _reload(self) -> None:
        self._checked = time.monotonic()
        try:
            if self._file.stat().st_mtime_ns != self._modified:
                self._load()
        except (OSError, ConfigError):
            # A file that cannot be read must not open or close doors.
            return


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(file.read_text())["tokens"]
        for entry in entries:
            if not {"name", "sha256", "scopes"} <= entry.keys():
                raise ValueError("an entry lacks name, sha256 or scopes")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{file} cannot be read as a file of tokens ({error}); make one with lunar-token."
        ) from error
    return list(entries)


def _write(file: Path, entries: list[dict[str, Any]]) -> None:
    temporary = file.with_name(file.name + ".tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump({"tokens": entries}, stream, indent=2)
    os.replace(temporary, file)
