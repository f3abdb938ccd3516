"""Choose the bands of a raster that hold brightness."""

from typing import Any

from rasterio.enums import ColorInterp

from lunar_models.errors import MosaicError

_NO_GREY = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black,
            ColorInterp.hue, ColorInterp.saturation, ColorInterp.Cb, ColorInterp.Cr)  # fmt: skip
"""What is dark where a band is large, or says nothing of brightness."""
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_OPACITY = (
    ". If the further band is opacity, declare it: gdal_edit.py -colorinterp_4 alpha; else leave "
    "it out: gdal_translate -b 1 -b 2 -b 3."
)


def choose_bands(data: Any, band: int | None, name: str) -> tuple[int, ...]:
    """Choose the band of brightness, or red, green and blue; 1-based.

    Args:
        data: an open rasterio dataset.
        band: asked for; None where there is one, or red, green and blue.
        name: how error messages call the raster.

    Raises:
        MosaicError: no such band, several without saying which, or one that is no brightness.
    """
    bands = _named(data, band, name)
    _require_brightness(data, bands, name)
    return bands


def _named(data: Any, band: int | None, name: str) -> tuple[int, ...]:
    if band is not None:
        if band > data.count:
            raise MosaicError(f"{name} has {data.count} band(s); band={band} is not among them.")
        if data.colorinterp[band - 1] == ColorInterp.alpha:
            raise MosaicError(f"{name}: band={band} is opacity, not brightness; name another.")
        return (band,)
    kinds = data.colorinterp
    grey = [n for n, kind in enumerate(kinds, start=1) if kind != ColorInterp.alpha]
    if len(grey) == 1:
        return (grey[0],)
    if sorted(kinds[n - 1].value for n in grey) == sorted(kind.value for kind in _RGB):
        return tuple(kinds.index(kind) + 1 for kind in _RGB)
    shown = ", ".join(
        f"{n} ({data.descriptions[n - 1] or data.colorinterp[n - 1].name})" for n in grey[:8]
    )
    raise MosaicError(
        f"{name} has {len(grey)} bands, {shown}{', …' if len(grey) > 8 else ''}; say which one is "
        "brightness, such as band=1" + (_OPACITY if set(_RGB) <= set(kinds) else ".")
    )


def _require_brightness(data: Any, bands: tuple[int, ...], name: str) -> None:
    """Raise MosaicError for bands of ink or of colour without brightness."""
    for n in bands:
        if (kind := data.colorinterp[n - 1]) in _NO_GREY:
            raise MosaicError(
                f"{name}: band {n} is {kind.name}, not brightness; convert the colours to grey or "
                "RGB, or if it is brightness after all, say so: gdal_edit.py "
                f"-colorinterp_{n} gray."
            )
