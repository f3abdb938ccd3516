"""Decode what a raster stores (numbers, palette entries, bands) to brightness.

Brightness is ``DN * scale + offset`` of each band, the weighted sum of the bands where there are
several, and NaN where there is no data. Saturated pixels are plus infinity.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lunar_models.compiled import compiled
from lunar_models.crops.crop_set import Radiometry
from lunar_models.crops.luminance import LUMINANCE_WEIGHTS

LARGEST = 1e30
"""Floats beyond ± this are ISIS's special pixels or fill values, never brightness."""


@dataclass(frozen=True)
class Encoding:
    """How the stored values of a raster become brightness."""

    dtype: str
    """NumPy name of the stored values."""
    bands: tuple[int, ...] = (1,)
    """1-based, of a brightness or of red, green and blue."""
    weights: tuple[float, ...] = (1.0,)
    scales: tuple[float, ...] = (1.0,)
    offsets: tuple[float, ...] = (0.0,)
    nodata: tuple[float | None, ...] = (None,)
    valid_range: tuple[float, float] = (-math.inf, math.inf)
    """Stored values beyond it are without data or, in `bright_range`, saturated."""
    bright_range: tuple[float, float] = (math.inf, -math.inf)
    empty: tuple[float, ...] = ()
    """Further stored values without data."""
    bright: tuple[float, ...] = ()
    """Further stored values that mean saturation."""
    palette: tuple[float, ...] = ()
    """Grey of each palette entry, NaN where it is transparent."""
    masked: bool = False
    """A mask says which pixels have data."""
    alpha: int = 0
    """1-based band of opacity: where it is 0 there is no data; 0 for none."""
    bits: int = 8
    """Bits in use, of integers."""

    @property
    def hidden(self) -> bool:
        """A mask or an alpha band says which pixels have data."""
        return self.masked or self.alpha > 0

    @property
    def physical(self) -> bool:
        """Stored values carry a unit: floats, or integers with a scale or an offset."""
        return np.issubdtype(np.dtype(self.dtype), np.floating) or self.scaled

    @property
    def scaled(self) -> bool:
        """Some scale is not 1 or some offset is not 0 (an inverted one counts as neither)."""
        inverted = set(self.scales) == {-1.0}
        return not inverted and (set(self.scales) != {1.0} or set(self.offsets) != {0.0})

    @property
    def eight_bit(self) -> bool:
        """Brightness is 0 to 255 already, so it is left as it is."""
        return self.dtype == "uint8" and not self.scaled and self.bits == 8

    @property
    def plain(self) -> bool:
        """Stored bytes are what the crop engine works on: 8 bits, 0 without data or as valid."""
        special = self.empty or self.bright or self.palette or self.hidden
        return (
            self.eight_bit
            and self.scales == (1.0,)
            and self.nodata in ((None,), (0.0,))
            and not special
            and self.valid_range[1] >= 254.0
        )

    @property
    def has_nodata(self) -> bool:
        """Some pixels may be without data."""
        return bool(
            self.hidden
            or any(value is not None for value in self.nodata)
            or self.empty
            or self.valid_range != (-math.inf, math.inf)
            or np.issubdtype(np.dtype(self.dtype), np.floating)
            or np.isnan(self.palette).any()
        )

    def to_brightness(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Decode stored values (B, H, W) to float64 (H, W): NaN without data, inf saturated."""
        out = np.empty(values.shape[1:], np.float64)
        _decode(values, self._terms(), out)
        return out

    def to_uint8(
        self, values: npt.NDArray[Any], radiometry: Radiometry, out: npt.NDArray[np.uint8]
    ) -> None:
        """Decode stored values (B, H, W) and scale them into `out` (H, W), 0 without data.

        Where a raster may be without data, valid pixels are 1 at least.
        """
        gain = 255.0 / (radiometry.high - radiometry.low)
        lowest = 1.0 if self.has_nodata else 0.0
        simple = len(self.bands) == 1 and not (self.empty or self.bright or self.palette)
        encode = _encode_band if simple else _encode
        encode(values, self._terms(), radiometry.low, gain, lowest, out)

    def outside_palette(self, values: npt.NDArray[Any]) -> int | None:
        """Return the largest of (B, H, W) stored values that has no palette entry; None if none."""
        if not self.palette or int(values.max(initial=0)) < len(self.palette):
            return None
        beyond = values[
            (values >= len(self.palette)) & ~np.isin(values, [*self.empty, *self.bright])
        ]
        beyond = beyond[~np.isin(beyond, [value for value in self.nodata if value is not None])]
        return int(beyond.max()) if beyond.size else None

    def _terms(self) -> "_Terms":
        nodata = [math.nan if value is None else value for value in self.nodata]
        return _Terms(
            factors=np.stack((self.weights, self.scales, self.offsets, nodata)).astype(np.float64),
            limits=np.array([*self.valid_range, *self.bright_range], np.float64),
            empty=np.array(self.empty, np.float64),
            bright=np.array(self.bright, np.float64),
            palette=np.array(self.palette, np.float64),
        )


class _Terms(NamedTuple):
    """An `Encoding` as compiled code takes it, all float64."""

    factors: npt.NDArray[np.float64]
    """(4, B): weight, scale, offset and nodata value (NaN for none) of each band."""
    limits: npt.NDArray[np.float64]
    """Least and largest valid value, least and largest saturated one."""
    empty: npt.NDArray[np.float64]
    bright: npt.NDArray[np.float64]
    palette: npt.NDArray[np.float64]


def brightness_to_uint8(
    brightness: npt.NDArray[np.float64], radiometry: Radiometry, lowest: float
) -> npt.NDArray[np.uint8]:
    """Scale brightness (NaN without data, inf saturated) of any shape to uint8, 0 without data."""
    scaled = np.rint((brightness - radiometry.low) * (255.0 / (radiometry.high - radiometry.low)))
    clipped = np.clip(scaled, lowest, 255.0)
    filled: npt.NDArray[np.uint8] = np.where(np.isnan(clipped), 0.0, clipped).astype(np.uint8)
    return filled


def grey_palette(colours: dict[int, Sequence[int]]) -> tuple[float, ...]:
    """Grey (0 to 255) of each entry of a palette of (red, green, blue, alpha), NaN if transparent.

    Args:
        colours: entry -> colour; entries that are missing are without data.
    """
    grey = [math.nan] * (max(colours) + 1)
    for entry, (*colour, alpha) in colours.items():
        if alpha:
            grey[entry] = float(np.dot(colour, LUMINANCE_WEIGHTS))
    return tuple(grey)


@compiled(inline=True)
def _brightness(values: Any, j: int, i: int, terms: _Terms) -> Any:
    """Brightness of a pixel. A nodata value counts where all bands have it, as in GDAL."""
    total = 0.0
    without = 0
    for band in range(values.shape[0]):
        value: Any = np.float64(values[band, j, i])
        if np.isnan(value):
            return np.nan
        for n in range(terms.empty.size):
            if value == terms.empty[n]:
                return np.nan
        for n in range(terms.bright.size):
            if value == terms.bright[n]:
                return np.inf
        if value == terms.factors[3, band]:
            without += 1
        elif value < terms.limits[0] or value > terms.limits[1]:
            return np.inf if terms.limits[2] <= value <= terms.limits[3] else np.nan
        if terms.palette.size:
            value = terms.palette[int(value)] if value < terms.palette.size else np.nan
        factors = terms.factors[:, band]
        total += factors[0] * (value * factors[1] + factors[2])
    return np.nan if without == values.shape[0] or not np.isfinite(total) else total


@compiled()
def _decode(values: Any, terms: _Terms, out: Any) -> None:
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[j, i] = _brightness(values, j, i, terms)


@compiled()
def _encode(values: Any, terms: _Terms, low: float, gain: float, lowest: float, out: Any) -> None:
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            value = _brightness(values, j, i, terms)
            if np.isnan(value):
                out[j, i] = 0
            else:
                out[j, i] = np.uint8(min(max(np.rint((value - low) * gain), lowest), 255.0))


@compiled()
def _encode_band(
    values: Any, terms: _Terms, low: float, gain: float, lowest: float, out: Any
) -> None:
    """Like `_encode`, for one band without palette and lists, in a form that vectorises."""
    _, scale, offset, nodata = terms.factors[:, 0]
    least, most, bright_least, bright_most = terms.limits
    most = min(most, np.finfo(np.float64).max)
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            value = np.float64(values[0, j, i])
            valid = (value != nodata) & (value >= least) & (value <= most)
            bright = (value != nodata) & (value >= bright_least) & (value <= bright_most)
            scaled = np.rint(((value * scale + offset) - low) * gain)
            scaled = min(max(scaled, lowest), 255.0) if valid else 0.0
            out[j, i] = np.uint8(255.0 if bright else scaled)
