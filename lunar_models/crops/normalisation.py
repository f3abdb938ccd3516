"""Normalise brightness: from a crop as stored (uint8) to what an encoder sees.

Training, evaluation and serving all call the same `Normalisation`, whose constants are frozen
once on the training split and travel with the crop set and with every checkpoint.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from lunar_models.errors import ConfigError

if TYPE_CHECKING:  # torch is heavy, and fitting needs only NumPy
    from torch import Tensor

Kind = Literal["ratio", "global", "zscore", "minmax"]

CLIP_PERCENTILE = 99.8
"""Percentile of absolute values at which values are clipped: a few glints would set the scale."""

_EPSILON = 1e-6
_DARKEST = 1e-3
"""Brightness of a crop over its mosaic's, below which ratios to it are rounding."""


@dataclass(frozen=True)
class Normalisation:
    """Maps crops to float32 in [-1, 1] with frozen constants.

    - ratio: ``I / mean(I) - 1`` removes albedo and illumination level and keeps contrast, which
      carries the degradation state (default).
    - global: ``I - centre``, one centre for all crops; keeps albedo.
    - zscore: ``(I - mean) / std`` of each crop; discards contrast.
    - minmax: each crop stretched to its own range; discards contrast.

    The result is divided by `clip` and clipped to [-1, 1].

    With a `level`, ratio is ``I / level - 1``, over `clip` and not clipped: nothing is lost, and
    `split_brightness` takes it apart.
    """

    kind: Kind = "ratio"
    black_level: float = 0.0
    """Added to stored values so that they are proportional to brightness, in crop units."""
    centre: float = 0.0
    clip: float = 1.0
    level: float | None = None
    """Brightness of the mosaic, for encoders that see it; of ratio only."""

    def __call__(self, crops: "Tensor") -> "Tensor":
        """Normalise (B, S, S) or (B, 1, S, S) crops of any dtype to (B, 1, S, S) float32."""
        values = (crops if crops.ndim == 4 else crops[:, None]).float()
        if self.black_level:
            values = values + self.black_level
        if self.kind == "minmax":
            low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
            return 2.0 * (values - low) / (high - low).clamp_min(_EPSILON) - 1.0
        if self.level is not None:
            return (values - self.level).div_(self.level).div_(self.clip)
        mean = values.mean((2, 3), keepdim=True)
        # In place from here on: to fill a fresh tensor takes longer than to divide.
        centred = values - (self.centre if self.kind == "global" else mean)
        if self.kind == "ratio":
            centred /= mean.clamp_min(_EPSILON)
        elif self.kind == "zscore":
            centred /= centred.square().mean((2, 3), keepdim=True).sqrt().clamp_min(_EPSILON)
        return centred.div_(self.clip).clamp_(-1.0, 1.0)

    @classmethod
    def fit(
        cls, kind: Kind, crops: npt.NDArray[np.uint8], *, black_level: float = 0.0
    ) -> "Normalisation":
        """Freeze the constants on a sample of training crops.

        Args:
            kind: which normalisation.
            crops: (N, S, S) uint8, N ≥ 1; a few thousand are plenty.
            black_level: `Radiometry.black_level` of the crop set.

        Raises:
            ConfigError: no crops to fit on.
        """
        if len(crops) == 0:
            raise ConfigError("Normalisation needs at least one training crop; there are none.")
        values = crops.astype(np.float32) + black_level
        mean = values.mean(axis=(1, 2), keepdims=True)
        centre = float(values.mean()) if kind == "global" else 0.0
        if kind == "minmax":
            return cls(kind=kind, black_level=black_level)
        spread = values - (centre if kind == "global" else mean)
        if kind == "ratio":
            spread /= np.maximum(mean, _EPSILON)
        elif kind == "zscore":
            spread /= np.maximum(values.std(axis=(1, 2), keepdims=True), _EPSILON)
        clip = max(float(np.percentile(np.abs(spread), CLIP_PERCENTILE)), _EPSILON)
        return cls(kind=kind, black_level=black_level, centre=centre, clip=clip)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        if self.level is None:
            del values["level"]
        return values


def split_brightness(crops: "Tensor", clip: "Tensor") -> "tuple[Tensor, Tensor]":
    """Split ratios to a mosaic's level into ratios to each crop's own mean, and that mean.

    Args:
        crops: (B, 1, S, S) normalised as ratio with a `level`.
        clip: (B,) or (1,) that they were divided by.

    Returns:
        ratio: (B, 1, S, S) float32 in [-1, 1], as without a level.
        brightness: (B,) float32, mean brightness over the level, 0 to about 10.
    """
    mean = crops.mean((2, 3), keepdim=True)
    brightness = 1 + mean * clip[:, None, None, None]
    ratio = (crops - mean).div_(brightness.clamp_min(_DARKEST)).clamp_(-1, 1)
    return ratio, brightness[:, 0, 0, 0]
