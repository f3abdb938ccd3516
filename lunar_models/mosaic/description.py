"""Describe how an open mosaic was read, and what looks doubtful."""

from dataclasses import dataclass

import numpy as np

from lunar_models.arrays import Float64Array
from lunar_models.crops.nodata_marks import find_marks
from lunar_models.moon import MOON_RADIUS_M
from lunar_models.mosaic.colours import colour_doubt
from lunar_models.mosaic.overview import extent_deg
from lunar_models.mosaic.radiometry import far_tail, how_to_declare, values_below_zero
from lunar_models.mosaic.raster import Mosaic

_THIN = (512, 1024)
_MOST_REPEATED = 0.02
_MOST_EMPTY = 0.5


@dataclass(frozen=True)
class MosaicDescription:
    """What a mosaic was understood as."""

    facts: dict[str, str]
    warnings: list[str]


def describe_mosaic(mosaic: Mosaic) -> MosaicDescription:
    """Describe a mosaic from its metadata and a thinned look at its pixels.

    Raises:
        MosaicError: the file cannot be read.
    """
    values = mosaic.thin((min(mosaic.height, _THIN[0]), min(mosaic.width, _THIN[1])))
    west, east, south, north = extent_deg(mosaic)
    middle = (south + north) / 2.0 if not mosaic.projection.pole else 90.0 * mosaic.projection.pole
    scale_x, scale_y = (float(s) for s in mosaic.projection.scale_px(middle))
    valid = values[np.isfinite(values)]
    facts = {
        "size": f"{mosaic.width:,} x {mosaic.height:,} px, {len(mosaic.files)} file(s)",
        "values": _values(mosaic),
        "without data": _no_data(mosaic, values),
        "brightness": _range(valid),
        "projection": _projection(mosaic),
        "extent": f"longitude {west:.3f} to {east:.3f}, latitude {south:.3f} to {north:.3f} deg, "
        "east positive",
        "pixel": f"{MOON_RADIUS_M / scale_x:,.1f} x {MOON_RADIUS_M / scale_y:,.1f} m at latitude "
        f"{middle:.1f} deg",
    }
    if not mosaic.placed:
        for name in ("projection", "extent", "pixel"):
            del facts[name]
        facts["place"] = "none; craters are found by their pixels"
    if mosaic.sun is not None:
        facts["height model"] = (
            f"lit from azimuth {mosaic.sun.azimuth_deg:g} deg at incidence "
            f"{mosaic.sun.incidence_deg:g} deg; 1 unit is {mosaic.height_m:g} m"
        )
    return MosaicDescription(facts, _warnings(mosaic, values, valid))


def _values(mosaic: Mosaic) -> str:
    encoding = mosaic.encoding
    bands = ", ".join(map(str, encoding.bands))
    text = f"{encoding.dtype}, band {bands}"
    if len(encoding.bands) == 3:
        text += f" (red, green, blue; grey by {', '.join(map(str, encoding.weights))})"
    if encoding.palette:
        text += ", by its palette"
    if set(encoding.scales) != {1.0} or set(encoding.offsets) != {0.0}:
        scales, offsets = (
            "/".join(f"{v:g}" for v in factors) for factors in (encoding.scales, encoding.offsets)
        )
        text += f", scale {scales}, offset {offsets}"
    return text + (f", {encoding.bits} bits" if encoding.dtype.endswith(("8", "16")) else "")


def _no_data(mosaic: Mosaic, values: Float64Array) -> str:
    encoding = mosaic.encoding
    stated = [f"{value:g}" for value in dict.fromkeys(encoding.nodata) if value is not None]
    stated += [f"{value:g}" for value in encoding.empty]
    stated += ["a mask or alpha band"] if encoding.hidden else []
    stated += ["special pixels"] if encoding.valid_range[0] > -np.inf else []
    stated = list(dict.fromkeys(stated))  # marks of float32 and float64 differ in unseen digits
    return f"{np.isnan(values).mean():.1%} of the pixels ({', '.join(stated) or 'nothing stated'})"


def _range(valid: Float64Array) -> str:
    if not valid.size:
        return "no pixel with data among those looked at"
    low, middle, high = np.percentile(valid, (1, 50, 99))
    return f"{low:g} to {high:g} (1 and 99 %), median {middle:g}"


def _projection(mosaic: Mosaic) -> str:
    p = mosaic.projection
    kind = "polar stereographic" if p.pole else "Mercator" if p.mercator else "equirectangular"
    text = f"{kind}, longitude {np.degrees(p.lon0):.3f} deg in the middle of the projection"
    return text + (", goes around the Moon" if mosaic.wraps else "")


def _warnings(mosaic: Mosaic, values: Float64Array, valid: Float64Array) -> list[str]:
    warnings = []
    if not valid.size:
        return [f"{mosaic.path} has no pixel with data among those looked at"]
    if np.isnan(values).mean() > _MOST_EMPTY:
        warnings.append(f"{np.isnan(values).mean():.0%} of {mosaic.path} has no data")
    least = float(valid.min())
    share = float((valid == least).mean())
    black = least == 0.0 and share >= _MOST_REPEATED and mosaic.encoding.nodata == (None,)
    marks = find_marks(valid)
    if marks is not None:
        warnings.append(
            f"{marks.share:.1%} of {mosaic.path} is {marks}, which looks like a mark of no data. "
            + how_to_declare(marks).removesuffix(".")
        )
    elif black:
        warnings.append(
            f"{share:.0%} of {mosaic.path} is exactly 0, which looks like a mark of no data: "
            "gdal_edit.py -a_nodata 0"
        )
    if mosaic.lossy and mosaic.has_nodata and not mosaic.encoding.hidden:
        warnings.append(
            f"{mosaic.path} is compressed with losses, so pixels beside those without data are "
            "neither data nor exactly the nodata value; use the original, or a mask"
        )
    doubts = (values_below_zero(mosaic, valid), far_tail(mosaic, valid), colour_doubt(mosaic))
    warnings += [doubt for doubt in doubts if doubt is not None]
    low, high = np.percentile(valid, (1, 99))
    if mosaic.sun is None and low > 0.0 and high > low and (high - low) / high < 0.02:
        warnings.append(
            f"{mosaic.path} varies by {(high - low) / high:.1%} only; heights are lit with shade="
        )
    return warnings
