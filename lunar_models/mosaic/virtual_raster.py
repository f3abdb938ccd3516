"""Check the tiles of a VRT: that they are there, and mean the same by their numbers as the VRT.

GDAL passes a tile's numbers on, and takes the scale, the offset, the nodata value, the mask and the
palette of the VRT. Where nothing covers it, a VRT without a nodata value is 0.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from rasterio.enums import ColorInterp

from lunar_models.errors import MosaicError
from lunar_models.mosaic.masks import has_mask
from lunar_models.mosaic.planetary_label import is_positive_west, label_rotation_deg
from lunar_models.mosaic.upright import is_upright

_Element = ElementTree.Element
_Palette = tuple[tuple[int, ...], ...]
_CONVERTING = ("ScaleOffset", "ScaleRatio", "Exponent", "LUT", "ColorTableComponent")
"""What a source has that computes other numbers of a tile's."""
_CONVERT = (
    "Give the tiles themselves (mosaic=A.tif,B.tif), or convert them first: gdal_translate "
    "-unscale -ot Float32."
)


def check_sources(
    path: str, text: bytes, open_tile: Callable[[str], Any], is_remote: Callable[[str], bool]
) -> None:
    """Check every tile of a VRT.

    Args:
        path: of the VRT.
        text: its XML.
        open_tile: opens a tile as a rasterio dataset.
        is_remote: whether a tile's name leads over the network.

    Raises:
        MosaicError: unreadable; a tile is missing, or means other numbers than the VRT says; or
            tiles leave gaps that would be 0.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise MosaicError(f"{path} is not a readable VRT: {error}. Make it again.") from error
    names = [_tile_name(element, _folder(path)) for element in _file_elements(root)]
    local = [name for name in names if not name.startswith("/vsi") and not is_remote(name)]
    missing = list(dict.fromkeys(name for name in local if not Path(name).exists()))
    if missing:
        raise MosaicError(
            f"{path} is made of tiles of which {len(missing)} are missing, such as {missing[0]}; "
            "put them back, or make the VRT again with gdalbuildvrt."
        )
    for element in root.iter("SourceDataset"):  # of a warped VRT
        name = _tile_name(element, _folder(path))
        with open_tile(name) as tile:
            _refuse(path, name, _unsaid(tile))
    for band in root.findall("VRTRasterBand"):
        kinds: dict[tuple[str, _Palette], str] = {}
        for source in _sources(band):
            name = _tile_name(source.find("SourceFilename"), _folder(path))
            if any(source.find(tag) is not None for tag in _CONVERTING):
                continue  # whoever wrote it computes brightness
            with open_tile(name) as tile:
                index = int(source.findtext("SourceBand") or 1)
                _refuse(path, name, _fault(root, band, source, tile, index))
                kinds.setdefault((tile.dtypes[index - 1], _tile_palette(tile, index)), name)
        _check_types(path, band, {dtype: name for (dtype, _), name in kinds.items()})
        _check_palettes(path, band, {palette: name for (_, palette), name in kinds.items()})
        _check_covered(path, root, band)


def _file_elements(root: _Element) -> Iterator[_Element]:
    for tag in ("SourceFilename", "SourceDataset"):
        yield from (element for element in root.iter(tag) if element.text)


def _folder(path: str) -> str:
    """Of a path, which may begin with /vsizip//; with its slash."""
    return path[: path.rfind("/") + 1]


def _tile_name(element: _Element | None, folder: str) -> str:
    assert element is not None
    assert element.text
    relative = element.get("relativeToVRT", element.get("relativetoVRT")) == "1"
    return folder + element.text if relative and element.text[0] != "/" else element.text


def _sources(band: _Element) -> list[_Element]:
    return [s for s in band if s.tag.endswith("Source") and s.findtext("SourceFilename")]


def _refuse(path: str, name: str, fault: str | None) -> None:
    if fault is not None:
        raise MosaicError(f"{path}: its tile {name} has {fault}. {_CONVERT}")


def _unsaid(tile: Any) -> str | None:
    """What a VRT cannot say of a tile."""
    if is_positive_west(tile):
        return "longitudes counted westward, which GDAL takes for eastward in a VRT"
    if label_rotation_deg(tile) != 0.0:
        return "a rotated map, which GDAL ignores"
    if tile.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        return "inverted grey (MinIsWhite), which a VRT cannot say"
    if not is_upright(tile):
        return "an orientation that turns or mirrors it, which a VRT leaves out"
    return None


def _fault(root: _Element, band: _Element, source: _Element, tile: Any, index: int) -> str | None:
    """How a tile's numbers mean something else than the band says; None if they do not."""

    def number(element: _Element, tag: str, default: float) -> float:
        text = element.findtext(tag)
        return float(text) if text else default

    ours = (tile.scales[index - 1], tile.offsets[index - 1])
    theirs = (number(band, "Scale", 1.0), number(band, "Offset", 0.0))
    if not np.allclose(ours, theirs, rtol=1e-9, atol=0.0):
        return f"scale {ours[0]:g} and offset {ours[1]:g}, the VRT {theirs[0]:g} and {theirs[1]:g}"
    nodata = tile.nodatavals[index - 1]
    given = number(source, "NODATA", number(band, "NoDataValue", np.nan))
    if nodata is not None and not np.isnan(nodata) and not np.isclose(nodata, given, 1e-6, 0.0):
        return f"the nodata value {nodata:g}, the VRT {band.findtext('NoDataValue') or 'none'}"
    masked = has_mask(tile, index) and source.findtext("UseMaskBand") != "true"
    if masked and root.find("MaskBand") is None and not _has_alpha(root):
        return "a mask of pixels without data, which the VRT leaves out"
    return _unsaid(tile)


def _has_alpha(root: _Element) -> bool:
    return any(band.findtext("ColorInterp") == "Alpha" for band in root.findall("VRTRasterBand"))


def _tile_palette(tile: Any, index: int) -> _Palette:
    if tile.colorinterp[index - 1] != ColorInterp.palette:
        return ()
    return tuple(tile.colormap(index).values())


def _check_palettes(path: str, band: _Element, palettes: dict[_Palette, str]) -> None:
    """Raise MosaicError where tiles have several palettes, or one that the band lacks.

    A band may have a palette of its own for tiles without.
    """
    for palette, name in palettes.items():
        if len(palettes) > 1:
            _refuse(path, name, "another palette than other tiles" if palette else "no palette, "
                    "which other tiles have")  # fmt: skip
        elif palette and band.find("ColorTable") is None:
            _refuse(path, name, "a palette, which the VRT leaves out")


def _check_types(path: str, band: _Element, types: dict[str, str]) -> None:
    """Raise MosaicError where the band mixes types, or is of a smaller type than a tile.

    Args:
        path: of the VRT.
        band: of it.
        types: the tiles' types, each with a tile that has it.
    """
    name = band.get("dataType", "Byte").lower()
    stated = {"byte": "uint8"}.get(name, name)
    for dtype, tile_name in types.items():
        mixed = len(types) > 1 and np.dtype(dtype).kind != "f"
        if mixed or not (np.can_cast(dtype, stated) or np.dtype(stated).kind == "f"):
            shown = ", ".join(sorted({stated, *types}))
            _refuse(path, tile_name, f"{dtype} values, where VRT and tiles are of {shown}")


def _check_covered(path: str, root: _Element, band: _Element) -> None:
    """Raise MosaicError where a band without nodata value is not covered by its tiles."""
    sources = _sources(band)
    stated = band.findtext("NoDataValue") or root.find("MaskBand") is not None or _has_alpha(root)
    if stated or not sources or band.get("subClass") == "VRTDerivedRasterBand":
        return
    size = (float(root.get("rasterXSize", 0)), float(root.get("rasterYSize", 0)))
    whole = {"xOff": "0", "yOff": "0", "xSize": str(size[0]), "ySize": str(size[1])}
    rectangles = []
    for source in sources:
        found = source.find("DstRect")
        place = whole if found is None else found.attrib
        x, y, width, height = (float(place[k]) for k in ("xOff", "yOff", "xSize", "ySize"))
        rectangles.append((x, y, x + width, y + height))
    holes = any(s.find("NODATA") is not None or s.find("UseMaskBand") is not None for s in sources)
    if holes or not _cover(np.rint(np.clip(rectangles, 0.0, [*size, *size])), size):
        raise MosaicError(
            f"{path} states no nodata value, but its tiles leave gaps, which would be black; make "
            "it again with gdalbuildvrt -vrtnodata and a value that no pixel has."
        )


def _cover(rectangles: Any, size: tuple[float, float]) -> bool:
    """Whether rectangles (n, 4: left, top, right, bottom) cover one of that size from (0, 0)."""
    x, y = (np.unique(np.append(rectangles[:, [k, k + 2]], (0.0, size[k]))) for k in (0, 1))
    covered = np.zeros((len(y) - 1, len(x) - 1), np.bool_)
    for left, top, right, bottom in rectangles:
        rows, columns = np.searchsorted(y, (top, bottom)), np.searchsorted(x, (left, right))
        covered[rows[0] : rows[1], columns[0] : columns[1]] = True
    return bool(covered.all())
