"""Figures of a training: how the loss fell, and what the encoder remembers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from lunar_models.plots.style import BLUE, VERMILION, new_figure, subplots


def loss_curve(history: Sequence[dict[str, float]], best_epoch: int) -> Figure:
    """Training and validation loss by epoch, the chosen epoch marked.

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
    originals: npt.NDArray[np.float32], reconstructed: npt.NDArray[np.float32]
) -> Figure:
    """Crops above, what the encoder makes of them below; (N, S, S) each, in [-1, 1]."""
    figure = new_figure(1.2 * len(originals) + 0.4, 2.6)
    axes = subplots(figure, 2, len(originals))
    for row, (label, crops) in enumerate(
        (("original", originals), ("reconstructed", reconstructed))
    ):
        for axis, crop in zip(axes[row], crops, strict=True):
            axis.imshow(crop, cmap="gray", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(label)
    return figure
