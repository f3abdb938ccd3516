"""Find values that look like undeclared marks of no data: they lie far from all others."""

from typing import NamedTuple

import numpy as np

from lunar_models.arrays import Float64Array

_LEAST_SHARE = 0.001
"""More pixels than this shift the percentiles by which brightness is scaled."""
_FAR = 2.0
"""Times the range of all other values (1 to 99 %)."""
_GAP = 0.3
"""Of the whole range; wider gaps part groups of values. Marks on both sides of the data, each twice
its range away, leave gaps of 0.4."""

_LEAST_LEVELS = 8
"""Different values that the data must have; of fewer, each lies apart from the next."""


class Marks(NamedTuple):
    """Values that look like marks of no data."""

    low: float
    high: float
    """Equal to `low` for a single value."""
    share: float
    """Part of the pixels that have them, 0..1."""

    def __str__(self) -> str:
        """Return them as a part of a sentence."""
        if self.low == self.high:
            return f"exactly {self.low:g}, far from all other values"
        return f"{self.low:g} to {self.high:g}, far from all other values"


def find_marks(values: Float64Array) -> Marks | None:
    """Find values that at least 0.1 % of the pixels have and that lie far from all others.

    Far is twice the range of the others (1 to 99 %). Several marks, such as the special pixels of
    ISIS converted to plain numbers, lie together or on both sides of the data.

    Args:
        values: of any number of pixels, (n,), finite.

    Returns:
        the least or the largest value, or a group of values; None if there is none.
    """
    for value in (values.min(initial=np.inf), values.max(initial=-np.inf)):
        rest = values[values != value]
        share = 1.0 - rest.size / max(values.size, 1)
        if not rest.size or share < _LEAST_SHARE:
            continue
        low, high = np.percentile(rest, (1, 99))
        if min(abs(value - low), abs(value - high)) > _FAR * (high - low):
            return Marks(float(value), float(value), share)
    return _find_group(np.sort(values))


def _find_group(ordered: Float64Array) -> Marks | None:
    """Find a group of values apart from the group with most different values."""
    if not ordered.size:
        return None
    cuts = np.flatnonzero(np.diff(ordered) > _GAP * (ordered[-1] - ordered[0])) + 1
    groups = np.split(ordered, cuts)
    data = max(groups, key=lambda group: np.unique(group).size)
    if np.unique(data).size < _LEAST_LEVELS:
        return None
    low, high = np.percentile(data, (1, 99))
    for group in groups:
        away = max(data[0] - group[-1], group[0] - data[-1])
        if group.size >= _LEAST_SHARE * ordered.size and away > _FAR * (high - low):
            return Marks(float(group[0]), float(group[-1]), group.size / ordered.size)
    return None
