"""Draw crops as thumbnails at their positions without overlap.

The plane is cut into cells as large as a thumbnail and each cell shows one crop at most, so the
picture stays legible from a hundred craters to a million.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import FloatArray
from lunar_models.crops.display import display_crop
from lunar_models.plots.groups import Groups

SIDE_PX = 54
"""Side of a thumbnail with its border, in picture pixels."""

_BORDER_PX = 5


@dataclass(frozen=True)
class Bounds:
    """The part of the plane that a figure shows."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Return the extent for `matplotlib.axes.Axes.imshow`."""
        return self.left, self.right, self.bottom, self.top


def bounds_around(points: FloatArray, *, outside: float = 0.0, margin: float = 0.03) -> Bounds:
    """Bounds around (N, 2) points, and a margin as a share of each side.

    `outside` is the share of the points that may lie beyond each side, so that a few strays do
    not shrink the rest.
    """
    low, high = np.quantile(points, [outside, 1 - outside], axis=0)
    pad = np.maximum(high - low, 1e-9) * margin
    (left, bottom), (right, top) = low - pad, high + pad
    return Bounds(float(left), float(right), float(bottom), float(top))


@dataclass(frozen=True)
class Placement:
    """The cell of each of the M craters that are drawn."""

    rows: npt.NDArray[np.int64]
    """(M,) rows of the chosen craters."""
    cells: npt.NDArray[np.int64]
    """(M, 2) column from the left and line from the top."""
    shape: tuple[int, int]
    """Lines and columns of the grid."""


def place(points: FloatArray, bounds: Bounds, *, limit: int, aspect: float) -> Placement:
    """Choose a crater for each cell: the one nearest to the cell's centre.

    Craters that find their cell taken move to a free one beside it if there are few enough to
    draw them all, else they are left out.

    Args:
        points: (N, 2) x and y; rows outside `bounds` or not finite are left out.
        bounds: what the picture shows.
        limit: number of cells, so the most craters drawn.
        aspect: width ÷ height of the picture.
    """
    columns = max(1, int(np.sqrt(limit * aspect)))
    lines = max(1, limit // columns)
    width, height = bounds.right - bounds.left, bounds.top - bounds.bottom
    across = (points[:, 0] - bounds.left) / width * columns
    down = (bounds.top - points[:, 1]) / height * lines
    inside = np.flatnonzero((across >= 0) & (across < columns) & (down >= 0) & (down < lines))
    cells = np.stack([across[inside], down[inside]], axis=1).astype(np.int64)
    offset = np.hypot(across[inside] % 1 - 0.5, down[inside] % 1 - 0.5)
    reach = 3 if len(inside) <= limit // 2 else 0
    taken: dict[tuple[int, int], int] = {}
    for row in np.argsort(offset, kind="stable"):
        cell = _free_cell(taken, (int(cells[row, 0]), int(cells[row, 1])), (lines, columns), reach)
        if cell is not None:
            taken[cell] = int(inside[row])
    return Placement(
        np.array(list(taken.values()), np.int64),
        np.array(list(taken), np.int64).reshape(-1, 2),
        (lines, columns),
    )


def _free_cell(
    taken: dict[tuple[int, int], int], cell: tuple[int, int], shape: tuple[int, int], reach: int
) -> tuple[int, int] | None:
    around = range(-reach, reach + 1)
    steps = sorted(
        ((dx, dy) for dx in around for dy in around), key=lambda d: d[0] ** 2 + d[1] ** 2
    )
    for dx, dy in steps:
        moved = (cell[0] + dx, cell[1] + dy)
        if moved not in taken and 0 <= moved[0] < shape[1] and 0 <= moved[1] < shape[0]:
            return moved
    return None


def mosaic_of_thumbnails(
    crops: npt.NDArray[np.uint8], groups: Groups, placement: Placement
) -> npt.NDArray[np.uint8]:
    """Draw the chosen crops with frames in the colour of their group.

    Args:
        crops: (N, S, S) uint8, an array or a memory map; only the chosen rows are read.
        groups: N rows.
        placement: what to draw where.

    Returns:
        (H, W, 4) uint8 RGBA, transparent between the thumbnails.
    """
    groups.require(len(crops))
    lines, columns = placement.shape
    picture = np.zeros((lines, columns, SIDE_PX, SIDE_PX, 4), np.uint8)
    colours = (groups.take(placement.rows).rgb() * 255).astype(np.uint8)
    inner, inner_px = slice(_BORDER_PX, -_BORDER_PX), SIDE_PX - 2 * _BORDER_PX
    for row, (column, line), colour in zip(placement.rows, placement.cells, colours, strict=True):
        cell = picture[line, column, 1:-1, 1:-1]
        cell[..., :3], cell[..., 3] = colour, 255
        picture[line, column, inner, inner, :3] = display_crop(crops[row], inner_px)[..., None]
    return picture.swapaxes(1, 2).reshape(lines * SIDE_PX, columns * SIDE_PX, 4)
