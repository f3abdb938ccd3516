import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from lunar_models.errors import CheckpointError, LunarModelsError
from lunar_models.evaluation.head_fitting import (
    conformal_threshold,
    fit_head,
    fit_temperature,
    log_loss,
)
from lunar_models.heads.head import Head, conformal_set, degradation_score, temper
from lunar_models.heads.ordinal import OrdinalLogistic

STATES = ("New", "Semi-New", "Semi-Old", "Old")


def blobs(count: int = 600, n_states: int = 4, seed: int = 0):
    rng = np.random.default_rng(seed)
    ranks = rng.integers(0, n_states, count)
    embeddings = rng.normal(size=(count, 5)) + ranks[:, None] * [1.5, 0, 0, -0.5, 0] + 100
    return embeddings, ranks, np.arange(count) % 5


def fitted(kind="lda", **changes):
    embeddings, ranks, folds = blobs()
    options = {"states": STATES, "kind": kind, "conformal_level": 0.9, "abstain_below": 0.5}
    return fit_head(embeddings, ranks, folds, **{**options, **changes})


def untempered(head: Head) -> Head:
    return Head(**{**vars(head), "temperature": 1.0})


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("lda", LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")),
        ("ordinal", OrdinalLogistic(C=0.3)),
    ],
)
@pytest.mark.parametrize("n_states", [2, 4])
def test_prediction_equals_scikit_learn(kind, model, n_states):
    embeddings, ranks, folds = blobs(n_states=n_states)
    head = fit_head(
        embeddings,
        ranks,
        folds,
        states=STATES[:n_states],
        kind=kind,
        conformal_level=0.9,
        abstain_below=0.5,
    ).head
    scaled = StandardScaler().fit_transform(embeddings)
    expected = model.fit(scaled, ranks).predict_proba(scaled)
    found = untempered(head).predict(embeddings)
    assert found.probabilities == pytest.approx(expected, abs=1e-6)
    assert (found.state == np.array(STATES)[expected.argmax(axis=1)]).all()


def test_saved_heads_are_the_same_heads(tmp_path):
    head = fitted().head
    head.save(tmp_path / "head.npz")
    again = Head.load(tmp_path / "head.npz")
    embeddings = blobs(seed=1)[0]
    for name, value in vars(head.predict(embeddings)).items():
        assert (getattr(again.predict(embeddings), name) == value).all()
    assert (again.kind, again.states, again.conformal_level) == ("lda", STATES, 0.9)
    fitted().head.save(tmp_path / "twin.npz")
    assert (tmp_path / "head.npz").read_bytes() == (tmp_path / "twin.npz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text"])
def test_a_damaged_head(tmp_path, content):
    (tmp_path / "head.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a classification head"):
        Head.load(tmp_path / "head.npz")


def test_a_missing_head(tmp_path):
    with pytest.raises(CheckpointError, match="run evaluate again"):
        Head.load(tmp_path / "none.npz")


def test_other_embeddings_are_refused():
    head = fitted().head
    with pytest.raises(LunarModelsError, match=r"shape \(N, 5\)"):
        head.predict(np.zeros((3, 4)))
    with pytest.raises(LunarModelsError, match="row 1 is not finite"):
        head.predict(np.array([np.zeros(5), np.full(5, np.nan)]))


def test_no_crater_is_no_error():
    assert fitted().head.predict(np.empty((0, 5))).probabilities.shape == (0, 4)


def test_sets_cover_unseen_craters_at_their_level():
    embeddings, ranks, _ = blobs(4000, seed=9)
    for level in (0.8, 0.95):
        prediction = fitted(conformal_level=level).head.predict(embeddings)
        covered = prediction.conformal_set[np.arange(4000), ranks].mean()
        assert covered == pytest.approx(level, abs=0.03)
        assert prediction.conformal_set.any(axis=1).all()


def test_out_of_fold_sets_cover_at_their_level():
    result = fitted()
    covered = result.conformal_set[np.arange(600), blobs()[1]].mean()
    assert covered == pytest.approx(0.9, abs=0.03)


def test_abstains_exactly_below_its_threshold():
    prediction = fitted(abstain_below=0.6).head.predict(blobs()[0])
    assert (prediction.abstained == (prediction.probabilities.max(axis=1) < 0.6)).all()
    assert 0 < prediction.abstained.mean() < 1


def test_auto_takes_the_smaller_log_loss():
    ranks = blobs()[1]
    losses = {kind: log_loss(fitted(kind).probabilities, ranks) for kind in ("lda", "ordinal")}
    assert fitted("auto").head.kind == min(losses, key=losses.get)


def test_temperature_mends_overconfidence():
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.ones(4), 5000)
    ranks = np.array([rng.choice(4, p=p) for p in honest])
    boastful = temper(honest, 1 / 3)
    assert fit_temperature(boastful, ranks) == pytest.approx(3.0, rel=0.1)
    assert temper(boastful, 3.0) == pytest.approx(honest, abs=1e-3)


def test_conformal_threshold_by_hand():
    true = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    probabilities = np.column_stack((true, 1 - true))
    ranks = np.zeros(9, int)
    assert conformal_threshold(probabilities, ranks, 0.8) == pytest.approx(0.2)
    assert conformal_threshold(probabilities, ranks, 0.95) == 0.0


def test_sets_hold_the_likely_states_and_at_least_one():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.34, 0.33, 0.33]])
    assert conformal_set(probabilities, 0.3).tolist() == [[True, True, False], [True, True, True]]
    assert conformal_set(probabilities, 0.9).sum(axis=1).tolist() == [1, 1]


def test_score_by_hand():
    score, std = degradation_score(np.array([[0, 0, 0, 1], [0.5, 0, 0, 0.5], [0, 1, 0, 0]]))
    assert score == pytest.approx([1, 0.5, 1 / 3])
    assert std == pytest.approx([0, 0.5, 0])
