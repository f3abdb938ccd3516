import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import metrics as reference

from lunar_models.evaluation.metrics import (
    balanced_accuracy,
    confusion_counts,
    expected_calibration_error,
    macro_f1,
    ordinal_error,
    quadratic_weighted_kappa,
    reliability_rows,
    spearman,
)


@pytest.fixture
def ranks():
    rng = np.random.default_rng(0)
    true = rng.choice(4, 300, p=[0.1, 0.2, 0.3, 0.4])
    return true, np.clip(true + rng.choice([-1, 0, 0, 1], 300), 0, 3)


def test_state_metrics_equal_scikit_learn(ranks):
    true, predicted = ranks
    confusion = confusion_counts(true, predicted, 4)
    assert (confusion == reference.confusion_matrix(true, predicted)).all()
    assert balanced_accuracy(confusion) == pytest.approx(
        reference.balanced_accuracy_score(true, predicted)
    )
    assert macro_f1(confusion) == pytest.approx(
        reference.f1_score(true, predicted, average="macro")
    )
    assert quadratic_weighted_kappa(confusion) == pytest.approx(
        reference.cohen_kappa_score(true, predicted, weights="quadratic")
    )
    assert ordinal_error(confusion) == pytest.approx(np.abs(true - predicted).mean())


def test_a_stack_of_confusions_gives_each_its_own_metric(ranks):
    one = confusion_counts(*ranks, 4)
    two = np.diag([5, 5, 5, 5])
    for metric in (balanced_accuracy, macro_f1, quadratic_weighted_kappa, ordinal_error):
        together = metric(np.stack([one, two]))
        assert together.tolist() == pytest.approx([float(metric(one)), float(metric(two))])


def test_a_state_that_does_not_occur_is_left_out():
    confusion = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 9]])
    assert balanced_accuracy(confusion) == pytest.approx((0.8 + 0.9) / 2)


def test_no_crater_has_no_metric():
    assert np.isnan(balanced_accuracy(np.zeros((4, 4))))
    assert np.isnan(ordinal_error(np.zeros((4, 4))))


def test_kappa_of_one_state_only_is_undefined():
    assert np.isnan(quadratic_weighted_kappa(np.array([[5, 0], [0, 0]])))


def test_calibration_error_by_hand():
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, True, True, False])
    rows = reliability_rows(confidence, correct)
    assert expected_calibration_error(rows.sum(0)) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)


@pytest.mark.parametrize(("confidence", "bin_"), [(0.0, 0), (0.1, 0), (0.1001, 1), (1.0, 9)])
def test_bins_include_their_upper_edge(confidence, bin_):
    rows = reliability_rows(np.array([confidence]), np.array([True]))
    assert rows[0, :, 0].argmax() == bin_


def test_spearman_equals_scipy_with_ties():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 5, 200), rng.normal(size=200)
    assert spearman(first, second + first) == pytest.approx(
        spearmanr(first, second + first).statistic
    )


def test_weights_of_spearman_repeat_rows():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=50), rng.integers(0, 4, 50)
    counts = rng.integers(0, 3, 50)
    expected = spearmanr(np.repeat(first, counts), np.repeat(second, counts)).statistic
    assert spearman(first, second, counts) == pytest.approx(expected)


def test_a_constant_has_no_rank_correlation():
    assert np.isnan(spearman(np.ones(5), np.arange(5)))
