import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lunar_models.catalogue.splits import spatial_folds
from lunar_models.evaluation.learning_curve import few_labels_accuracy, learning_curve
from lunar_models.evaluation.probes import (
    RIDGE_PENALTIES,
    lda_probe,
    linear_probe,
    out_of_fold_probabilities,
    out_of_fold_values,
    state_probes,
)


@pytest.fixture(scope="module")
def labelled():
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 4, 400)
    embeddings = rng.normal(size=(400, 6)) + ranks[:, None] * [1, 0.5, 0, 0, 0, 0]
    blocks = rng.integers(0, 40, 400)
    return embeddings, ranks, blocks


def test_the_linear_probe_is_the_published_protocol(labelled):
    embeddings, ranks, blocks = labelled
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
    expected = cross_val_predict(model, embeddings, ranks, groups=blocks, cv=GroupKFold(5))
    found = out_of_fold_probabilities(linear_probe, embeddings, ranks, spatial_folds(blocks, 5), 4)
    assert (found.argmax(axis=1) == expected).all()


def test_the_value_probe_is_ridge_out_of_fold(labelled):
    embeddings, ranks, blocks = labelled
    model = make_pipeline(StandardScaler(), RidgeCV(RIDGE_PENALTIES))
    expected = cross_val_predict(model, embeddings, ranks, groups=blocks, cv=GroupKFold(5))
    found = out_of_fold_values(embeddings, ranks.astype(float), spatial_folds(blocks, 5))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("name", ["linear", "knn", "lda", "ordinal"])
def test_every_probe_reads_planted_states_and_nothing_from_noise(labelled, name):
    _, ranks, blocks = labelled
    folds, make = spatial_folds(blocks, 5), state_probes(10)[name]
    planted = ranks[:, None] * np.array([9.0, 1.0]) + np.random.default_rng(1).normal(size=(400, 2))
    noise = np.random.default_rng(2).normal(size=(400, 3))
    for features, low, high in ((planted, 0.97, 1), (noise, 0.15, 0.35)):
        probabilities = out_of_fold_probabilities(make, features, ranks, folds, 4)
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(400))
        assert low <= (probabilities.argmax(axis=1) == ranks).mean() <= high


def test_a_state_missing_from_a_training_fold_gets_no_probability():
    ranks = np.array([0, 1] * 20 + [2] * 5)
    folds = np.array([0, 1] * 10 + [1, 0] * 10 + [2] * 5)
    embeddings = np.random.default_rng(0).normal(size=(45, 2))
    found = out_of_fold_probabilities(linear_probe, embeddings, ranks, folds, 3)
    assert (found[folds == 2, 2] == 0).all()
    assert (found[folds == 0, 2] > 0).all()


def test_learning_curve_rises_and_is_the_same_for_the_same_seed(labelled):
    embeddings, ranks, blocks = labelled
    folds = spatial_folds(blocks, 5)
    curve = learning_curve(embeddings, ranks, folds, n_states=4, seed=1)
    available = min((folds != fold).sum() for fold in range(5))
    assert curve["labels"].tolist() == [25, 50, 100, 150, 300, available]
    assert curve["balanced_accuracy"].iloc[-1] > curve["balanced_accuracy"].iloc[0]
    again = learning_curve(embeddings, ranks, folds, n_states=4, seed=1)
    pd.testing.assert_frame_equal(curve, again)
    assert not curve.equals(learning_curve(embeddings, ranks, folds, n_states=4, seed=2))


def test_a_draw_of_one_state_says_that_state():
    ranks = np.array([0] * 200 + [1] * 5)
    folds = np.arange(205) % 5
    embeddings = 5.0 * ranks[:, None] + np.random.default_rng(0).normal(size=(205, 2))
    curve = learning_curve(embeddings, ranks, folds, n_states=2, seed=0)
    assert curve["balanced_accuracy"].between(0.5, 1).all()


def test_few_labels_suffice_for_planted_states(labelled):
    ranks = labelled[1]
    planted = ranks[:, None] * 9.0 + np.random.default_rng(1).normal(size=(400, 2))
    assert few_labels_accuracy(planted, ranks, n_labels=150, n_states=4, seed=0) > 0.97
    assert np.isnan(few_labels_accuracy(planted, ranks, n_labels=400, n_states=4, seed=0))


def test_a_class_of_one_member_is_no_warning_on_the_console():
    generator = np.random.default_rng(0)
    ranks = np.array([0] * 20 + [1] * 20 + [2])
    embeddings = generator.normal(ranks[:, None], 0.3, (len(ranks), 3))
    folds = np.arange(len(ranks)) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = out_of_fold_probabilities(lda_probe, embeddings, ranks, folds, 3)
    assert (found.argmax(axis=1)[:40] == ranks[:40]).mean() > 0.9


def test_a_class_with_one_member_leaves_a_fold_with_the_other_alone():
    """One crater of a mosaic lit from the east was found in the west."""
    embeddings = np.random.default_rng(0).normal(size=(50, 3))
    ranks, folds = np.zeros(50, np.int64), np.arange(50) % 5
    ranks[7] = 1
    found = out_of_fold_probabilities(lda_probe, embeddings, ranks, folds, 2)
    np.testing.assert_array_equal(found[folds == folds[7]], [[1.0, 0.0]] * 10)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
