import numpy as np
import pytest

from lunar_models.errors import LunarModelsError
from lunar_models.labelling.few_shot import Background, ranked

NONE = np.empty((0, 16))


@pytest.fixture(scope="module")
def catalogue():
    """A rare kind along a direction that varies much less than others."""
    rng = np.random.default_rng(0)
    spread = np.linspace(8, 0.5, 16)
    embeddings = rng.normal(size=(5000, 16)) * spread
    kind = np.zeros(5000, bool)
    kind[rng.choice(5000, 100, replace=False)] = True
    embeddings[kind, 12] += 8 * spread[12]
    return embeddings.astype(np.float32), kind


def test_a_rare_kind_is_found_from_five_examples(catalogue):
    embeddings, kind = catalogue
    background = Background.of(embeddings)
    examples = np.flatnonzero(kind)[:5]
    probe = background.fit(embeddings[examples], embeddings[~kind][:5])
    first = next(ranked(probe.score(embeddings), examples, page=50))
    assert kind[first].mean() > 0.9
    nearest = np.linalg.norm(embeddings - embeddings[examples].mean(axis=0), axis=1).argsort()
    assert kind[nearest[:50]].mean() < kind[first].mean() - 0.2  # distances alone


def test_a_rejected_kind_is_ranked_down(catalogue):
    embeddings, kind = catalogue
    embeddings = embeddings.copy()
    other = np.flatnonzero(~kind)[:100]
    embeddings[other, 12] += 8 * 2.0
    embeddings[other, 14] += 8 * 2.0  # like the kind, and unlike it elsewhere
    background = Background.of(embeddings)
    examples = np.flatnonzero(kind)[:10]
    before = background.fit(embeddings[examples], NONE).score(embeddings)
    after = background.fit(embeddings[examples], embeddings[other[:10]]).score(embeddings)
    rest = other[10:]
    assert (after[kind].mean() - after[rest].mean()) > (before[kind].mean() - before[rest].mean())


def test_one_example_without_negatives_suffices(catalogue):
    embeddings, kind = catalogue
    probe = Background.of(embeddings).fit(embeddings[np.flatnonzero(kind)[:1]], NONE)
    assert probe.score(embeddings)[kind].mean() > probe.score(embeddings)[~kind].mean() + 0.1


def test_ranking_is_complete_and_falls(catalogue):
    scores = np.random.default_rng(1).integers(0, 50, 60_000).astype(np.float32)
    without = np.array([3, 17, 59_999])
    rows = np.concatenate(list(ranked(scores, without, page=7)))
    assert len(rows) == 59_997
    assert not set(without) & set(rows)
    assert (np.diff(scores[rows]) <= 0).all()


def test_examples_are_bounded(catalogue):
    background = Background.of(catalogue[0])
    with pytest.raises(LunarModelsError, match="not 0 and 3"):
        background.fit(NONE, np.ones((3, 16)))
    with pytest.raises(LunarModelsError, match="not 2001 and 0"):
        background.fit(np.ones((2001, 16)), NONE)
