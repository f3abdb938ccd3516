"""Download one file over HTTP, resuming where an earlier attempt stopped.

pooch has no resuming of its own; `ResumingDownloader` is a pooch downloader that adds it.
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from lunar_models.errors import DownloadError

CHUNK_BYTES = 1 << 16
"""Read at once, and so the most that a broken connection loses."""
LONGEST_WAIT_S = 30.0
RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Interrupted(Exception):
    """The transfer stopped early for a reason that another attempt may not meet."""


@dataclass(frozen=True)
class ResumingDownloader:
    """A downloader for `pooch.retrieve`.

    Bytes arrive in `part_path`, which survives failures and kills. The next attempt asks for the
    rest with Range, and with If-Range so that the server sends all of it again if the file has
    changed (RFC 9110, sections 13.1.5 and 14). A server without ranges sends it all anyway.

    Raises:
        DownloadError: refused, of another size than expected, no room on the disk, or
            `attempts` in a row brought nothing.
    """

    part_path: Path
    expected_size: int | None = None
    attempts: int = 8
    timeout_s: float = 60.0
    first_wait_s: float = 1.0
    """Pause after a fruitless attempt; it doubles with each further one."""

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Fetch `url` into `output_file`, on the same file system as `part_path`."""
        fruitless, most = 0, self._have()
        while True:
            try:
                self._transfer(url)
                break
            except (requests.RequestException, _Interrupted) as problem:
                fruitless = 0 if self._have() > most else fruitless + 1
                most = max(most, self._have())
                if fruitless >= self.attempts:
                    raise DownloadError(
                        f"{url} cannot be downloaded: {problem} ({fruitless} attempts without "
                        f"progress; {self._have():,} bytes are kept). Check the address and the "
                        "connection, then run again to resume."
                    ) from problem
                time.sleep(min(LONGEST_WAIT_S, self.first_wait_s * 2 ** max(0, fruitless - 1)))
        os.replace(self.part_path, output_file)
        self._validator_path.unlink(missing_ok=True)

    @property
    def _validator_path(self) -> Path:
        return self.part_path.with_name(self.part_path.name + ".json")

    def _have(self) -> int:
        return self.part_path.stat().st_size if self.part_path.exists() else 0

    def _transfer(self, url: str) -> None:
        """One attempt; returns when the part file is complete."""
        have, validator = self._have(), self._validator(url)
        headers = {"Accept-Encoding": "identity"}  # compressed ranges would not fit together
        if have and validator:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout_s) as reply:
            if reply.status_code == 416 and _total(reply) == have:
                return
            if not self._continues(url, reply, have):
                have = 0
                self.part_path.unlink(missing_ok=True)
            total = _total(reply)
            self._check_size(url, total, have)
            self._remember_validator(url, reply)
            self._append(reply, have, total)
        if total is not None and self._have() != total:
            raise _Interrupted(f"{self._have():,} of {total:,} bytes arrived")

    def _continues(self, url: str, reply: requests.Response, have: int) -> bool:
        """Whether the reply resumes where the part file ends, rather than at the beginning."""
        problem = f"the server answers {reply.status_code} {reply.reason}"
        if reply.status_code == 200:
            return False
        if reply.status_code == 206 and _starts_at(reply, have):
            return True
        if reply.status_code in (206, 416):  # our part is of no use to this server
            self.part_path.unlink(missing_ok=True)
        elif reply.status_code not in RETRIED_STATUS:
            raise DownloadError(f"{url} cannot be downloaded: {problem}. Check the address.")
        raise _Interrupted(problem)

    def _check_size(self, url: str, total: int | None, have: int) -> None:
        if total is None:
            return
        if self.expected_size is not None and total != self.expected_size:
            raise DownloadError(
                f"{url} has {total:,} bytes, but {self.expected_size:,} were pinned: the source "
                "has changed. To accept it, delete its entry in the registry."
            )
        free = shutil.disk_usage(self.part_path.parent).free
        if free < total - have:
            raise DownloadError(
                f"{url} needs {total - have:,} more bytes, but only {free:,} are free in "
                f"{self.part_path.parent}; make room or choose another folder."
            )

    def _append(self, reply: requests.Response, have: int, total: int | None) -> None:
        with (
            self.part_path.open("ab") as part,
            tqdm(
                desc=self.part_path.stem,
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as progress,
        ):
            for chunk in reply.iter_content(CHUNK_BYTES):
                part.write(chunk)
                progress.update(len(chunk))

    def _validator(self, url: str) -> str | None:
        """What identifies the version of which we have a part; None if unknown."""
        try:
            kept = json.loads(self._validator_path.read_text())
        except (OSError, ValueError):
            return None
        return str(kept["validator"]) if kept.get("url") == url and kept.get("validator") else None

    def _remember_validator(self, url: str, reply: requests.Response) -> None:
        tag = str(reply.headers.get("ETag", ""))
        strong = tag if tag and not tag.startswith("W/") else reply.headers.get("Last-Modified")
        self._validator_path.write_text(json.dumps({"url": url, "validator": strong}))


def _starts_at(reply: requests.Response, start: int) -> bool:
    return str(reply.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _total(reply: requests.Response) -> int | None:
    """Size of the whole file, if the server tells."""
    if reply.status_code in (206, 416):
        size = str(reply.headers.get("Content-Range", "")).rpartition("/")[2]
    else:
        size = str(reply.headers.get("Content-Length", ""))
    return int(size) if size.isdigit() else None
