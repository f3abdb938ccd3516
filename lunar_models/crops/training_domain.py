"""Describe the craters on which a model was fitted, and recognise those outside of it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.crops.crop_set import Radiometry

QUANTITIES = {
    "diameter_km": ("diameter", "km"),
    "native_px": ("native resolution", "px across the crop"),
    "incidence_deg": ("incidence of the Sun", "°"),
    "mean_brightness": ("brightness of the ground", "of 255"),
    "contrast": ("contrast of the ground", "of its mean"),
}
"""Column of the crop set's metadata: what it is called, and its unit."""


TERRAIN = ("mean_brightness", "contrast")
"""Those that tell of the ground; checkpoints of earlier versions have no range of them."""

_SLACK = {"mean_brightness": 0.1, "contrast": 0.1}
"""Parts of the range by which a value may lie outside: terrain has no sharp limits."""


@dataclass(frozen=True)
class TrainingDomain:
    """Ranges of the craters that an encoder was trained on, or a head fitted on."""

    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Least and largest value by quantity (`QUANTITIES`); without those that are not known."""

    @classmethod
    def of(cls, metadata: pd.DataFrame) -> "TrainingDomain":
        """Return the domain of some craters.

        Args:
            metadata: rows of a crop set's metadata.
        """
        ranges = {}
        for name in QUANTITIES:
            if name in metadata:
                values = metadata[name].to_numpy(np.float64)
                if (values := values[np.isfinite(values)]).size:
                    ranges[name] = (float(values.min()), float(values.max()))
        return cls(ranges)

    def outside(self, known: Mapping[str, float]) -> list[str]:
        """Return what of a crater is outside, one phrase each.

        Args:
            known: what is known of the crater, by quantity.
        """
        phrases = []
        for name, (low, high) in self.ranges.items():
            value, slack = known.get(name), _SLACK.get(name, 0.0) * (high - low)
            if value is not None and not low - slack <= value <= high + slack:
                label, unit = QUANTITIES[name]
                phrases.append(f"its {label}, {value:.3g} {unit}, is not in {low:.3g}–{high:.3g}")
        return phrases

    @property
    def lacks_terrain(self) -> bool:
        """Whether ranges were recorded, but none of the ground, as by earlier versions."""
        return bool(self.ranges) and not all(name in self.ranges for name in TERRAIN)

    def save(self, file: Path) -> None:
        """Write the ranges as JSON."""
        file.write_text(json.dumps(self.ranges, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, file: Path) -> "TrainingDomain":
        """Read what `save` wrote; an empty domain if there is no file.

        Raises:
            ValueError, TypeError: the file is damaged.
        """
        if not file.is_file():
            return cls()
        return cls.from_ranges(json.loads(file.read_text()))

    @classmethod
    def from_ranges(cls, ranges: Mapping[str, tuple[float, float]]) -> "TrainingDomain":
        """Return the domain with these ranges, as JSON holds them."""
        known = {name: pair for name, pair in ranges.items() if name in QUANTITIES}
        return cls({name: (float(low), float(high)) for name, (low, high) in known.items()})


def measured_terrain(crop: npt.NDArray[Any], radiometry: Radiometry) -> dict[str, float]:
    """Measure brightness and contrast of the ground as crop sets record them.

    Args:
        crop: (S, S) in crop units (0-255).
        radiometry: of the crop set.
    """
    values = crop.ravel().astype(np.float64)
    mean = float(values.sum()) / values.size
    # One product instead of NumPy's `std`: requests wait for this, and float64 leaves room enough.
    spread = math.sqrt(max(float(values @ values) / values.size - mean * mean, 0.0))
    level = mean + radiometry.black_level
    terrain = {"mean_brightness": mean}
    return terrain | {"contrast": spread / level} if level > 0.0 else terrain
