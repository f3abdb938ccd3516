"""States and clusters keep their colours apart, for every sight, on paper and on dark pages."""

import itertools
import re
from importlib import resources

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lunar_models.colours import (
    CLUSTER_HUES,
    FRESH_TO_OLD,
    UNKNOWN,
    cluster_colours,
    degradation_colour,
    state_colours,
)
from lunar_models.terms import STATE_NAMES

# Machado et al. 2009, severity 1: what linear RGB looks like to people with that sight.
SIGHTS = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
# https://bottosson.github.io/posts/oklab/
TO_CONES = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
TO_LAB = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
          [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip


def linear(colour: str) -> np.ndarray:
    channels = np.array(to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(colour: str, sight: str) -> np.ndarray:
    seen = np.clip(np.array(SIGHTS[sight]) @ linear(colour), 0, 1)
    return 100 * np.array(TO_LAB) @ np.cbrt(np.array(TO_CONES) @ seen)


def least_distance(one: str, other: str) -> float:
    return min(float(np.linalg.norm(lab(one, s) - lab(other, s))) for s in SIGHTS)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_no_state_is_taken_for_a_cluster() -> None:
    scale = [degradation_colour(x) for x in np.linspace(0, 1, 25)]
    pairs = itertools.product([*scale, UNKNOWN], CLUSTER_HUES)
    closest = min((least_distance(a, b), a, b) for a, b in pairs if a != UNKNOWN)
    assert closest[0] > 10, closest


def test_states_and_clusters_differ_among_themselves() -> None:
    assert min(least_distance(a, b) for a, b in itertools.pairwise(FRESH_TO_OLD)) > 11
    assert min(least_distance(a, b) for a, b in itertools.combinations(CLUSTER_HUES, 2)) > 8
    assert min(least_distance(a, b) for a, b in itertools.combinations(CLUSTER_HUES[:4], 2)) > 15


@pytest.mark.parametrize("sight", SIGHTS)
def test_wear_is_ever_darker(sight: str) -> None:
    lightness = [lab(degradation_colour(x), sight)[0] for x in np.linspace(0, 1, 50)]
    assert (np.diff(lightness) < 0).all()


@pytest.mark.parametrize(("ground", "least"), [("#ffffff", 1.7), ("#0d1014", 2.1)])
def test_every_colour_stands_out_on_paper_and_on_the_dark_pages(ground: str, least: float) -> None:
    assert min(contrast(c, ground) for c in (*FRESH_TO_OLD, *CLUSTER_HUES)) > least


def test_states_have_one_scale() -> None:
    assert tuple(state_colours(dict(enumerate(STATE_NAMES, 1))).values()) == FRESH_TO_OLD
    # the known states keep their colours where some do not occur
    assert state_colours({2: "Semi-New", 3: "Semi-Old"}) == dict(
        zip((2, 3), FRESH_TO_OLD[1:3], strict=True)
    )
    own = state_colours({1: "sharp", 2: "soft", 3: "ghost"})
    assert (own[1], own[3]) == (FRESH_TO_OLD[0], FRESH_TO_OLD[3])
    assert own[2] == degradation_colour(0.5)
    assert state_colours({1: "all"}) == {1: FRESH_TO_OLD[0]}


def test_twenty_four_clusters_differ() -> None:
    assert tuple(cluster_colours(8)) == CLUSTER_HUES
    assert len(set(cluster_colours(24))) == 24


def test_the_served_page_has_the_same_colours() -> None:
    page = resources.files("serving.app") / "page"
    script = (page / "colours.js").read_text()
    lists = {
        name: re.findall(r'"(#\w+)"', text)
        for name, text in re.findall(r"const (\w+) = ([^;]*);", script)
    }
    assert lists["CLUSTERS"] == cluster_colours(24)
    assert lists["FRESH_TO_OLD"] == list(FRESH_TO_OLD)
    assert lists["UNKNOWN"] == [UNKNOWN]
    assert f"linear-gradient(90deg, {', '.join(FRESH_TO_OLD)})" in (page / "page.css").read_text()
