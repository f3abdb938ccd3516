"""Translate degradation states to the classes of published schemes.

Classes are cut at depths over diameter, converted to K/R² where only that is known. The edges part
the classes within 0.03 as well as the best depths do (balanced accuracy, given below), in tables of
craters that have both a class by eye and a measured depth (`benchmarks/expert_classes.py`); classes
that depth does not part share one name.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lunar_models.degradation.crater_shape import STATE_EDGES, depth_over_diameter
from lunar_models.degradation.references import Reference
from lunar_models.errors import ConfigError
from lunar_models.terms import STATE_NAMES

STOPAR_2017 = Reference(
    "stopar2017",
    "Stopar, J. D., Robinson, M. S., Barnouin, O. S., et al.",
    2017,
    "Relative depths of simple craters and the nature of the lunar regolith",
    "Icarus, 298, 34-48",
    "10.1016/j.icarus.2017.05.022",
)


@dataclass(frozen=True)
class Scheme:
    """Degradation classes, freshest first."""

    classes: tuple[str, ...]
    depth_edges: tuple[float, ...]
    """Depth over diameter between neighbours, descending; one less than `classes`."""
    reference: Reference | None

    def rank(self, depth: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Class of each depth over diameter, 1 the freshest; 0 where it is NaN; same shape."""
        d = np.asarray(depth, np.float64)
        ranks = len(self.depth_edges) - np.digitize(d, self.depth_edges[::-1]) + 1
        return np.asarray(np.where(np.isnan(d), 0, ranks), np.int64)


SCHEMES = {
    "lunar-models": Scheme(
        STATE_NAMES,
        tuple(float(round(depth, 4)) for depth in depth_over_diameter(STATE_EDGES)),
        None,
    ),
    # Very fresh and rather fresh craters (v-fr, r-fr) are equally deep (mean d/D 0.200 of 28 and
    # 0.200 of 70 craters of 1-4 km), so depth cannot tell them apart. Balanced accuracy of the
    # edges: 0.95 and 0.87.
    "expert4": Scheme(
        ("v-fr or r-fr", "r-dr", "v-dr"),
        (0.14, 0.095),
        None,
    ),
    # Depth parts AA from the rest with a balanced accuracy of 0.87, C with 0.68, and A/AB from B
    # with 0.63 only (930 craters, most of 40-130 m).
    "stopar": Scheme(
        ("AA", "A or AB", "B", "C"),
        (0.16, 0.125, 0.11),
        STOPAR_2017,
    ),
}
"""Schemes by the name a user gives."""


def scheme_named(name: str) -> Scheme:
    """Return the scheme called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in SCHEMES:
        raise ConfigError(f"scheme={name!r} is not one of {', '.join(SCHEMES)}.")
    return SCHEMES[name]
