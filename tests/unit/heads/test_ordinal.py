import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.linear_model import LogisticRegression

from lunar_models.heads.ordinal import OrdinalLogistic, _penalised_loss, cumulative_probabilities

WEIGHTS = np.array([2.0, -1.0, 0.0])
THRESHOLDS = np.array([-2.0, 0.5, 2.5])


@pytest.fixture(scope="module")
def ordered():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6000, 3))
    latent = features @ WEIGHTS + rng.logistic(size=6000)
    return features, np.searchsorted(THRESHOLDS, latent) + 1


def test_planted_weights_and_thresholds_are_found(ordered):
    model = OrdinalLogistic(C=1e4).fit(*ordered)
    assert model.coef_ == pytest.approx(WEIGHTS, abs=0.1)
    assert model.thresholds_ == pytest.approx(THRESHOLDS, abs=0.12)
    assert model.classes_.tolist() == [1, 2, 3, 4]


def test_with_two_states_it_is_logistic_regression(ordered):
    features, states = ordered[0][:400], (ordered[1][:400] > 2).astype(int)
    ours = OrdinalLogistic(C=0.3).fit(features, states)
    theirs = LogisticRegression(C=0.3, tol=1e-8).fit(features, states)
    assert ours.predict_proba(features) == pytest.approx(theirs.predict_proba(features), abs=1e-3)


def test_gradient_equals_finite_differences(ordered):
    features, ranks = ordered[0][:50], ordered[1][:50] - 1
    free = np.array([0.3, -0.2, 0.1, -0.5, 0.2, -0.1])
    error = check_grad(
        lambda x: _penalised_loss(x, features, ranks, 0.7)[0],
        lambda x: _penalised_loss(x, features, ranks, 0.7)[1],
        free,
    )
    assert error < 1e-4


def test_probabilities_sum_to_one_and_move_with_the_position():
    probabilities = cumulative_probabilities(np.array([-50.0, 0.0, 50.0]), THRESHOLDS)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3))
    assert (probabilities >= 0).all()
    assert probabilities[0, 0] == pytest.approx(1.0)
    assert probabilities[2, 3] == pytest.approx(1.0)
