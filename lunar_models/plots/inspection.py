"""Draw a few crops with the catalogue's rims, before a crop set is made."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lunar_models.crops.display import STRETCH_NOTE, display_crop
from lunar_models.plots.crop_checks import size_text
from lunar_models.plots.style import ORANGE, new_figure, subplots


def inspection_figure(
    crops: Sequence[npt.NDArray[np.uint8]], craters: pd.DataFrame, *, context_diameters: float
) -> Figure:
    """Draw a few crops, north up, with the catalogue's rim on them.

    Circles that miss the rims show a wrong projection, catalogue or mosaic.

    Args:
        crops: n of (S, S) uint8, n at least 1.
        craters: n rows with crater_id, diameter_km and native_px.
        context_diameters: side of a crop in crater diameters.
    """
    figure = new_figure(2.0 * len(crops), 2.9)
    axes = subplots(figure, 1, len(crops)).ravel()
    for axis, crop, (_, crater) in zip(axes, crops, craters.iterrows(), strict=True):
        axis.imshow(display_crop(crop), cmap="gray", vmin=0, vmax=255)
        size, middle = len(crop), (len(crop) - 1) / 2
        rim = Circle(
            (middle, middle), size / context_diameters / 2, fill=False, color=ORANGE, lw=0.8
        )
        axis.add_patch(rim)
        axis.set_title(
            f"{crater['crater_id']}\n{size_text(crater)}, "
            f"{crater['native_px']:.0f} mosaic px across",
            fontsize=7,
        )
        axis.set_axis_off()
    figure.suptitle(f"Catalogued rims, north up ({STRETCH_NOTE})", fontsize=9)
    return figure
