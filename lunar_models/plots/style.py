"""Define the style of all figures: colour-blind-safe colours and sizes.

States and clusters have their own colours: `lunar_models.colours`.

Palette: Okabe & Ito 2008, https://jfly.uni-koeln.de/color/
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = OKABE_ITO = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip


def new_figure(width_in: float = 8.0, height_in: float = 5.0) -> Figure:
    """Make an empty figure with constrained layout."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def subplots(figure: Figure, rows: int = 1, columns: int = 1, **options: Any) -> Any:
    """Make a (rows, columns) object array of axes, also for a single one."""
    return np.asarray(figure.subplots(rows, columns, squeeze=False, **options))
