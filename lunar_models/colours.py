"""Define the colours of states and of clusters, the same in figures, pages and files.

States and degradation share one sequential scale of warm colours, fresh bright and worn dark.
Clusters take cold colours, so that neither is mistaken for the other. Both were chosen by their
distances in OKLab (https://bottosson.github.io/posts/oklab/) as seen with normal, protan, deutan
and tritan sight (simulated after Machado et al. 2009, doi 10.1109/TVCG.2009.113), and stand out on
white paper and on the dark pages.
"""

from collections.abc import Iterable, Mapping

from lunar_models.terms import STATE_NAMES

FRESH_TO_OLD = ("#edb929", "#e0811f", "#bf4c1f", "#8a2a1f")
"""Degradation 0, 1/3, 2/3 and 1: the four states New, Semi-New, Semi-Old and Old."""
CLUSTER_HUES = (
    "#174bd7", "#0fd4bb", "#b180fc", "#8c6378", "#478ebc", "#a6b2f7", "#6b46a0", "#41b0bb",
)  # fmt: skip
UNKNOWN = "#9a9a9a"
"""Noise, which belongs to no cluster, and craters without a state."""
_SHADES = ((0, 0.0), (255, 0.5), (0, 0.35))
"""Grey level and share that the hues are mixed with, each time that they come again."""


def degradation_colour(degradation: float) -> str:
    """Interpolate the ``#rrggbb`` colour of a degradation in [0, 1], linearly in RGB."""
    place = degradation * (len(FRESH_TO_OLD) - 1)
    low = min(int(place), len(FRESH_TO_OLD) - 2)
    pairs = zip(_channels(FRESH_TO_OLD[low]), _channels(FRESH_TO_OLD[low + 1]), strict=True)
    return _hex(a + (b - a) * (place - low) for a, b in pairs)


def state_colours(names: Mapping[int, str]) -> dict[int, str]:
    """Return the ``#rrggbb`` colour of each state.

    Args:
        names: of the states, by number from 1, the freshest. The four known states keep their
            colours where some of them are missing; other states spread over the whole scale.
    """
    known = set(names.values()) <= set(STATE_NAMES)
    last = len(STATE_NAMES) if known else max(names)
    return {state: degradation_colour((state - 1) / max(last - 1, 1)) for state in names}


def cluster_colours(count: int) -> list[str]:
    """Return the ``#rrggbb`` colours of clusters 0 … count - 1; from 24 on they come again."""
    colours = []
    for k in range(count):
        grey, share = _SHADES[k // len(CLUSTER_HUES) % len(_SHADES)]
        hue = _channels(CLUSTER_HUES[k % len(CLUSTER_HUES)])
        colours.append(_hex((1 - share) * channel + share * grey for channel in hue))
    return colours


def _channels(colour: str) -> bytes:
    return bytes.fromhex(colour.removeprefix("#"))


def _hex(channels: Iterable[float]) -> str:
    return "#" + bytes(round(channel) for channel in channels).hex()
