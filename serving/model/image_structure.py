"""Estimate from the headers of an image file what decoding costs, before any decoder sees it.

A file may be small and take minutes: a JPEG of thousands of scans, a TIFF whose one tile is larger
than the picture, a PNG of a million chunks. Limits on bytes and pixels do not catch these.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lunar_models.errors import CropImageError

MAX_IMAGE_PIXELS = 2048 * 2048
MAX_SCANS = 64
"""A progressive JPEG as encoders write it has about 10."""
MAX_SEGMENTS = 1_000
"""Segments of a JPEG before its first scan."""
MAX_CHUNKS = 10_000
"""Chunks of a PNG; encoders write one per 4 KiB or more."""
MAX_BLOCKS = 8_192
"""Strips or tiles of a TIFF: one row each, or tiles of 256 px."""
MAX_TAG_VALUES = 65_536
MAX_COST = 2**28
"""Samples that decoding may produce, padding of tiles and repeated scans included."""

_PNG, _JPEG, _NPY = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\x93NUMPY"
_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
               16: 8, 17: 8, 18: 8}  # fmt: skip
_TIFF_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 273, 277, 278, 322, 323, 324
_PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 284, 338, 339
_JPEG_IN_TIFF = (6, 7)
_MASK = 4  # of NewSubfileType: a transparency mask
_REDUCED = 1


@dataclass(frozen=True)
class ImageStructure:
    """What the headers of an image file say."""

    kind: str
    """PNG, JPEG, TIFF, NPY; empty if it is none of them, or damaged."""
    pixels: int = 0
    cost: int = MAX_COST
    """Samples that decoding produces; the most there may be where it is not known."""
    pages: bool = False
    """Whether there are further pages or frames."""
    mask_page: bool = False
    """Whether the second page of a TIFF tells where the first has data."""
    bits: int = 8
    sample_format: int = 1
    """Of a TIFF: 1 unsigned, 2 signed, 3 floating."""
    white_is_zero: bool = False
    incomplete: bool = False
    """A TIFF some of whose blocks are not in the file, or whose first page is a reduced copy."""
    planar: bool = False
    """A TIFF whose bands lie one after the other."""
    unknown_band: bool = False
    """A TIFF with a band beside its colours that is not said to be opacity."""


def inspect(data: bytes) -> ImageStructure:
    """Read the structure of an image file; what is damaged is left to the decoder to refuse.

    Raises:
        CropImageError: ``too_costly``, decoding it would cost out of proportion.
    """
    try:
        if data.startswith(_PNG):
            structure = _png(data)
        elif data.startswith(_JPEG):
            structure = _jpeg(data)
        elif data[:4] in _TIFF:
            structure = _tiff(data)
        elif data.startswith(_NPY):
            return ImageStructure("NPY", cost=len(data))
        else:
            return ImageStructure("")
    except (struct.error, IndexError):
        return ImageStructure("")
    if structure.pixels > MAX_IMAGE_PIXELS:  # refused for its size before it is decoded
        return replace(structure, cost=min(structure.cost, MAX_COST))
    _limit(structure.cost, MAX_COST, "samples to decode")
    return structure


def _limit(count: int, most: int, what: str) -> None:
    if count > most:
        raise CropImageError(
            "too_costly", f"'image' has {count} {what}, the most is {most}; save it in a plain way."
        )


def _png(data: bytes) -> ImageStructure:
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    at, chunks, animated = len(_PNG), 0, False
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        animated = animated or name == b"acTL"
        if name == b"IEND":
            break
        at += length + 12
        chunks += 1
        _limit(chunks, MAX_CHUNKS, "chunks")
    samples = width * height * _PNG_SAMPLES.get(colour, 4) * (2 if interlaced else 1)
    return ImageStructure("PNG", width * height, samples, pages=animated, bits=bits)


def _jpeg(data: bytes) -> ImageStructure:
    # Within a scan 0xFF is followed by 0 or by a restart marker, so this finds nothing else there.
    scans = data.count(b"\xff\xda")
    _limit(scans, MAX_SCANS, "scans")
    at, segments = 2, 0
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack_from(">HHB", data, at + 5)
            cost = width * height * components * max(scans, 1)
            return ImageStructure("JPEG", width * height, cost, pages=b"MPF\0" in data[:at])
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        segments += 1
        _limit(segments, MAX_SEGMENTS, "segments")
    return ImageStructure("")


@dataclass(frozen=True)
class _Page:
    """One image directory of a TIFF."""

    tags: dict[int, tuple[int, ...]]
    """The first value of each, and the offsets of all blocks."""
    counts: dict[int, int]
    following: int

    def first(self, tag: int, default: int) -> int:
        values = self.tags.get(tag)
        return values[0] if values else default


def _tiff(data: bytes) -> ImageStructure:
    pages = list(_tiff_pages(data))
    page = pages[0]
    cost = _tiff_cost(page)
    if page.first(_COMPRESSION, 1) in _JPEG_IN_TIFF:
        scans = data.count(b"\xff\xda")
        _limit(scans, MAX_SCANS + page.counts.get(_TILES, page.counts.get(_STRIPS, 1)), "scans")
    blocks = page.tags.get(_TILES, page.tags.get(_STRIPS, ()))
    reduced = bool(page.first(_SUBFILE, 0) & _REDUCED)
    subfile = pages[1].first(_SUBFILE, 0) if len(pages) > 1 else 0
    mask = bool(subfile & _MASK) and not subfile & _REDUCED
    return ImageStructure(
        "TIFF",
        pixels=page.first(_WIDTH, 0) * page.first(_HEIGHT, 0),
        cost=cost,
        pages=len(pages) > 1 and not subfile,
        mask_page=mask,
        bits=page.first(_BITS, 1),
        sample_format=page.first(_SAMPLE_FORMAT, 1),
        white_is_zero=page.first(_PHOTOMETRIC, 1) == 0,
        incomplete=0 in blocks or reduced,
        planar=page.first(_PLANAR, 1) == 2,
        unknown_band=page.first(_EXTRA_SAMPLES, 1) == 0,
    )


def _tiff_cost(page: _Page) -> int:
    width, height = page.first(_WIDTH, 0), page.first(_HEIGHT, 0)
    blocks = page.counts.get(_TILES, page.counts.get(_STRIPS, 1))
    _limit(blocks, MAX_BLOCKS, "strips or tiles")
    if _TILE_WIDTH in page.tags:
        area = page.first(_TILE_WIDTH, 0) * page.first(_TILE_HEIGHT, 0)
    else:
        area = width * min(page.first(_ROWS, height), height)
    return max(blocks * area, width * height) * page.first(_SAMPLES, 1)


def _tiff_pages(data: bytes) -> Iterator[_Page]:
    """The first two image directories."""
    order, big = _TIFF[data[:4]], data[2:4] in (b"+\0", b"\0+")
    at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    for _ in range(2):
        page = _tiff_page(data, at, order, big)
        yield page
        at = page.following
        if not at or at >= len(data):
            return


def _tiff_page(data: bytes, at: int, order: str, big: bool) -> _Page:
    entry, number = struct.Struct(order + ("HHQ8s" if big else "HHI4s")), "Q" if big else "H"
    (entries,) = struct.unpack_from(order + number, data, at)
    _limit(entries, MAX_TAG_VALUES, "tags")
    at += struct.calcsize(order + number)
    tags, counts, total = {}, {}, 0
    for i in range(entries):
        tag, kind, count, inline = entry.unpack_from(data, at + i * entry.size)
        if kind not in (1, 2, 6, 7):  # bytes stay bytes; the others become one object each
            total += count
        counts[tag] = count
        if kind in _TIFF_WHOLE and count:
            size, letter = count * _TIFF_BYTES[kind], _TIFF_WHOLE[kind]
            offset = struct.unpack(order + ("Q" if big else "I"), inline)[0]
            source, start = (inline, 0) if size <= len(inline) else (data, offset)
            several = min(count, MAX_BLOCKS) if tag in (_STRIPS, _TILES) else 1
            tags[tag] = struct.unpack_from(f"{order}{several}{letter}", source, start)
    _limit(total, MAX_TAG_VALUES, "values in tags")
    following = struct.unpack_from(order + ("Q" if big else "I"), data, at + entries * entry.size)
    return _Page(tags, counts, following[0])


def npy_header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether in Fortran order, dtype and the offset of the values of an NPY file.

    Raises:
        Exception: nearly any; the header is evaluated as a Python literal.
    """
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    stream = io.BytesIO(data)
    shape, fortran_order, dtype = readers[np.lib.format.read_magic(stream)](stream)
    return shape, fortran_order, dtype, stream.tell()
