"""Decode a text file of any encoding and line ending to UTF-8 with plain line ends."""

import codecs
import gzip
from pathlib import Path

from lunar_models.errors import CatalogueError

MOST_BYTES = 2**31
HEAD_BYTES = 1 << 20
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def plain_text(path: Path) -> tuple[Path | bytes, list[str]]:
    """Return the file itself where it is UTF-8 with plain line ends, else its text; and remarks.

    Raises:
        CatalogueError: no text, or too large.
    """
    with path.open("rb") as file:
        start = file.read(HEAD_BYTES)
    packed = start.startswith(b"\x1f\x8b")
    encoding = _encoding(start)
    old_lines = b"\r" in start and b"\n" not in start
    if not packed and encoding == "utf-8" and not old_lines and _is_utf8(path):
        if b"\0" in start:
            raise CatalogueError(f"{path} cannot be read as a text: it holds binary data.")
        return path, []
    notes = ["gzip"] if packed else []
    with gzip.open(path) if packed else path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise CatalogueError(f"{path} is over {MOST_BYTES >> 30} GiB; give it as Parquet.")
    encoding = _encoding(data[:HEAD_BYTES])
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            raise CatalogueError(
                f"{path} cannot be read as a text: it is neither UTF-8 nor Windows-1252. Save it "
                "as UTF-8."
            ) from None
    if "\0" in text[:HEAD_BYTES]:
        raise CatalogueError(f"{path} cannot be read as a text: it holds binary data.")
    notes += [f"encoding {encoding}"] if encoding != "utf-8" else []
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
        notes.append("lines end with CR only")
    return text.encode(), notes


def _encoding(start: bytes) -> str:
    """By the byte order mark, or by the zeros of UTF-16 without one; else UTF-8."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    first, second = start[:200:2], start[1:200:2]
    if start and not any(second) and all(first):
        return "utf-16-le"
    return "utf-16-be" if start and not any(first) and all(second) else "utf-8"


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 24):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
