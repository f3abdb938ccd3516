"""Define groups of craters, and their colours and markers in every figure.

After eight clusters their colours come again lighter, then darker, each time with another marker,
so that no two groups share both. About 20 groups stay readable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from lunar_models.arrays import IntArray
from lunar_models.clustering.types import NOISE
from lunar_models.colours import CLUSTER_HUES, UNKNOWN, cluster_colours, state_colours

_MARKERS = ("o", "^", "s", "D", "v", "P")


@dataclass(frozen=True)
class GroupStyle:
    """The name, ``#rrggbb`` colour and matplotlib marker of one group."""

    name: str
    colour: str
    marker: str = "o"


@dataclass(frozen=True)
class Groups:
    """N craters in groups; `styles` lists every group in the order of the legend."""

    ids: npt.NDArray[np.int64]
    """(N,)."""
    styles: dict[int, GroupStyle]

    def members(self, group: int) -> npt.NDArray[np.int64]:
        """Return the rows of one group, ascending."""
        return np.flatnonzero(self.ids == group)

    def require(self, count: int) -> None:
        """Raise ValueError unless there are `count` craters, lest colours be assigned wrongly."""
        if len(self.ids) != count:
            raise ValueError(f"{len(self.ids)} craters have groups, {count} are to be drawn.")

    def take(self, rows: IntArray) -> "Groups":
        """Select some of the rows."""
        return Groups(self.ids[rows], self.styles)

    def rgb(self) -> npt.NDArray[np.float64]:
        """Return the colour of each crater, (N, 3) in [0, 1]."""
        colours = np.empty((len(self.ids), 3))
        for group, style in self.styles.items():
            colours[self.ids == group] = to_rgb(style.colour)
        return colours

    def legend_handles(self) -> list[Line2D]:
        """Make one legend handle per group, with its number of craters."""
        return [
            Line2D(
                [], [], ls="", marker=style.marker, color=style.colour, ms=7,
                label=f"{style.name} ({len(self.members(group)):,})",
            )
            for group, style in self.styles.items()
        ]  # fmt: skip


def legend_beside(axes: Any, groups: Groups) -> None:
    """Place the legend to the right of the axes, at the top."""
    axes.legend(
        handles=groups.legend_handles(), loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False
    )


def cluster_groups(cluster_id: IntArray) -> Groups:
    """Group craters by cluster; noise, if any, comes last and grey."""
    count = int(cluster_id.max(initial=NOISE)) + 1
    styles = {
        k: GroupStyle(f"cluster {k}", colour, _MARKERS[k // len(CLUSTER_HUES) % len(_MARKERS)])
        for k, colour in enumerate(cluster_colours(count))
    }
    if (cluster_id == NOISE).any():
        styles[NOISE] = GroupStyle("noise", UNKNOWN, ".")
    return Groups(cluster_id.astype(np.int64), styles)


def state_groups(state: IntArray, names: Mapping[int, str]) -> Groups:
    """Group craters by degradation state; 0 is a crater without a state, grey.

    Args:
        state: (N,) from 1, the freshest.
        names: of all states; those that no crater has are in the legend too.
    """
    styles = {k: GroupStyle(names[k], c) for k, c in state_colours(names).items()}
    if (state == 0).any():
        styles[0] = GroupStyle("no state", UNKNOWN, ".")
    return Groups(state.astype(np.int64), styles)
