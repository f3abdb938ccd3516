import numpy as np

from lunar_models.plots.training import reconstructions


def _rows(hidden: np.ndarray | None) -> list[list[np.ma.MaskedArray]]:
    crops = np.linspace(-1, 1, 3 * 64, dtype=np.float32).reshape(3, 8, 8)
    axes = reconstructions(crops, -crops, hidden).axes
    return [
        [ax.images[0].get_array() for ax in axes[row : row + 3]] for row in range(0, len(axes), 3)
    ]


def test_without_a_mask_originals_and_reconstructions() -> None:
    originals, rebuilt = _rows(None)
    np.testing.assert_array_equal(rebuilt[1], -originals[1])


def test_what_was_hidden_is_left_out_of_the_middle_row() -> None:
    hidden = np.random.default_rng(0).random((3, 8, 8)) < 0.75
    originals, seen, _ = _rows(hidden)
    for crop, part, mask in zip(originals, seen, hidden, strict=True):
        np.testing.assert_array_equal(np.ma.getmaskarray(part), mask)
        np.testing.assert_array_equal(part[~mask], crop[~mask])
