"""Draw the loss curve and the reconstructions of a training."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.figure import Figure

from lunar_models.plots.style import BLUE, SKY, VERMILION, new_figure, subplots


def loss_curve(history: Sequence[dict[str, float]], best_epoch: int) -> Figure:
    """Draw training and validation loss by epoch, the chosen epoch marked.

    Args:
        history: one dict per epoch with ``train/loss`` and ``validation/loss``.
        best_epoch: counted from 0.
    """
    figure = new_figure(7, 4.5)
    axes = subplots(figure)[0, 0]
    epochs = np.arange(1, len(history) + 1)
    for key, label, colour in (
        ("train/loss", "training", BLUE),
        ("validation/loss", "validation", VERMILION),
    ):
        axes.plot(epochs, [m[key] for m in history], "o-", ms=3, label=label, color=colour)
    best = history[best_epoch]["validation/loss"]
    axes.plot(best_epoch + 1, best, "*", ms=14, color=VERMILION, label=f"kept: {best:.4g}")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


def reconstructions(
    originals: npt.NDArray[np.float32],
    reconstructed: npt.NDArray[np.float32],
    hidden: npt.NDArray[np.bool_] | None = None,
) -> Figure:
    """Draw crops (above) and their reconstructions (below).

    Args:
        originals: (N, S, S) in [-1, 1].
        reconstructed: same shape and range.
        hidden: same shape, what the encoder did not see; drawn on the originals in a row between.
    """
    rows = {"original": originals, "reconstructed": reconstructed}
    if hidden is not None:
        seen = np.ma.array(originals, mask=hidden)
        rows = {"original": originals, "seen": seen, "reconstructed": reconstructed}
    grey = colormaps["gray"].with_extremes(bad=SKY)
    figure = new_figure(1.2 * len(originals) + 0.4, 1.25 * len(rows) + 0.1)
    axes = subplots(figure, len(rows), len(originals))
    for row, (label, crops) in zip(axes, rows.items(), strict=True):
        for ax, crop in zip(row, crops, strict=True):
            ax.imshow(crop, cmap=grey, vmin=-1, vmax=1, interpolation="none")
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(label)
    return figure
