import numpy as np
import pytest

from lunar_models.errors import LabelsError
from lunar_models.heads.physical import PhysicalPrediction, ResidualTable

LEVELS = np.linspace(0.005, 0.995, 199)


def _prediction(n: int = 4000, seed: int = 0, bias: float = 0.0, true_spread: float = 1.0):
    """Predictions and truths whose standardised residuals are Gaussian."""
    rng = np.random.default_rng(seed)
    deviation = rng.uniform(0.1, 0.8, (n, 2))
    truth = rng.normal(-2.5, 0.8, (n, 2))
    mean = truth + bias - true_spread * deviation * rng.normal(size=(n, 2))
    gaussian = np.quantile(rng.normal(size=200_000), LEVELS)
    table = ResidualTable(LEVELS, np.stack([gaussian, gaussian]))
    return PhysicalPrediction.of(np.stack([mean, deviation], 2), table), truth


def _coverage(prediction, truth, level):
    low, high = prediction.interval(level)
    return ((truth >= low) & (truth <= high)).mean(0)


@pytest.mark.parametrize("level", [0.5, 0.68, 0.95])
def test_intervals_hold_what_they_promise(level):
    prediction, truth = _prediction()
    assert _coverage(prediction, truth, level) == pytest.approx([level, level], abs=0.03)


def test_unsure_predictions_have_wide_intervals():
    prediction, _ = _prediction()
    low, high = prediction.interval(0.68)
    width = high[:, 1] - low[:, 1]
    assert np.corrcoef(width, prediction.deviation[:, 1])[0, 1] > 0.999


def test_table_in_physical_units():
    table = ResidualTable(np.array([0.16, 0.5, 0.84]), np.tile([-1.0, 0.0, 1.0], (2, 1)))
    physics = np.array([[[np.log(0.04), 0.5], [np.log(0.1), 0.2]]])
    row = PhysicalPrediction.of(physics, table).table(np.array([4.0]), (0.68,)).iloc[0]
    assert row["k_over_r2"] == pytest.approx(0.04)
    assert row["k_m2"] == pytest.approx(0.04 * 2000.0**2)
    assert row["k_m2_high_68"] == pytest.approx(0.04 * np.exp(0.5) * 2000.0**2)
    assert row["depth_over_diameter"] == pytest.approx(0.1)
    assert row["depth_over_diameter_low_68"] == pytest.approx(0.1 * np.exp(-0.2))


def test_measured_depths_mend_bias_and_coverage():
    prediction, truth = _prediction(bias=0.5, true_spread=1.8)
    assert _coverage(prediction, truth, 0.68)[1] < 0.5
    rows = np.arange(150)
    correction = prediction.take(rows).depth_correction(np.exp(truth[rows, 1]))
    mended = prediction.corrected(correction)
    unseen = np.arange(150, len(truth))
    assert _coverage(mended.take(unseen), truth[unseen], 0.68)[1] == pytest.approx(0.68, abs=0.08)
    assert mended.scores(truth)["physics/depth_over_diameter_bias_dex"] == pytest.approx(0, abs=0.1)
    np.testing.assert_array_equal(mended.mean[:, 0], prediction.mean[:, 0])


def test_scores_of_known_errors():
    table = ResidualTable(np.array([0.16, 0.84]), np.tile([-1.0, 1.0], (2, 1)))
    truth = np.column_stack([np.full(3, np.nan), np.log([0.05, 0.1, 0.2])])
    physics = np.stack([truth + np.log(2.0), np.full((3, 2), 0.1)], 2)
    physics[:, 0, 0] = 0.0
    scores = PhysicalPrediction.of(physics, table).scores(truth)
    assert scores["physics/depth_over_diameter_bias_dex"] == pytest.approx(np.log10(2.0))
    assert scores["physics/depth_over_diameter_error_dex"] == pytest.approx(np.log10(2.0))
    assert scores["physics/depth_over_diameter_spearman"] == pytest.approx(1.0)
    assert scores["physics/depth_over_diameter_coverage_68"] == 0.0
    assert not any(name.startswith("physics/k_over_r2") for name in scores)


def test_too_few_depths():
    prediction, truth = _prediction(30)
    with pytest.raises(LabelsError, match="7 measured depths"):
        prediction.take(np.arange(7)).depth_correction(np.exp(truth[:7, 1]))


def test_depths_must_be_positive():
    prediction, _ = _prediction(25)
    with pytest.raises(LabelsError, match=r"-0\.1"):
        prediction.depth_correction(np.full(25, -0.1))


def test_depths_of_other_craters_are_refused():
    prediction, truth = _prediction(200)
    with pytest.raises(LabelsError, match="do not grow"):
        prediction.depth_correction(np.exp(-truth[:, 1]))
