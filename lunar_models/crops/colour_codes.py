"""Tell colours that stand for a quantity, such as elevation, from those of a photograph.

Grey is made of colours by their luminance. In a photograph of the Moon red, green and blue are
light and dark together; in a colour code or a composite of ratios they are not, so that their
luminance is no brightness.
"""

import numpy as np
import numpy.typing as npt

_LEAST_SATURATION = 0.2
"""Median of (largest - least) / largest; noise of grey images has less."""
_LEAST_CORRELATION = 0.8
"""Between any two of red, green and blue: 0.86 to 1 in tinted and natural images, -1 to 0.67 in
common colour maps other than those of one hue, whose luminance rises with their values."""
_LEAST_SPREAD = 0.1
"""Of the widest; a colour that varies less is noise."""
_FEWEST_PX = 16

COLOUR_CODE = (
    "red, green and blue are not light and dark together, as in maps whose colours stand for "
    "elevation or composition: grey made of them is no brightness"
)


def is_colour_code(colours: npt.ArrayLike) -> bool:
    """Return whether colours look like a code rather than like brightness.

    Args:
        colours: (3, n) red, green and blue of pixels with data, in one unit, 0 or more.
    """
    values = np.asarray(colours, np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    largest = values.max(axis=0, initial=0.0)
    lit = largest > 0.0
    if lit.sum() < _FEWEST_PX:
        return False
    saturation = np.median(1.0 - values[:, lit].min(axis=0) / largest[lit])
    if saturation < _LEAST_SATURATION:
        return False
    spread = values[:, lit].std(axis=1)
    varying = values[:, lit][spread > _LEAST_SPREAD * spread.max()]
    return len(varying) > 1 and bool(np.corrcoef(varying).min() < _LEAST_CORRELATION)
