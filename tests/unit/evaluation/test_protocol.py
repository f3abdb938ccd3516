"""The evaluation of an encoder finds what was planted, and refuses what it cannot judge."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from evaluated_moon import CONFIG, embed, judge
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from lunar_models.errors import ConfigError, LabelsError, LunarModelsError
from lunar_models.evaluation.evaluation_set import build_evaluation_set
from lunar_models.evaluation.paired_bootstrap import compare
from lunar_models.plots.comparison import comparison_figure
from lunar_models.plots.evaluation import evaluation_figures


def test_planted_states_are_read(case):
    metrics = case[2].metrics
    assert metrics["probe/linear_balanced_accuracy"] > 0.8
    assert metrics["head/qwk"] > 0.9
    assert metrics["probe/spearman"] > 0.9
    assert metrics["cluster/kmeans_ari"] > 0.5
    assert metrics["labels/used"] == 390
    assert len(case[2].head.states) == 4


def test_metrics_follow_from_the_predictions(case):
    evaluation = case[2]
    judged = evaluation.predictions[~evaluation.predictions["overlaps_training"]]
    assert 0 < len(judged) < len(evaluation.predictions)
    metrics, true = evaluation.metrics, judged["rank"]
    for probe in ("linear", "knn", "lda", "ordinal"):
        expected = balanced_accuracy_score(true, judged[probe])
        assert metrics[f"probe/{probe}_balanced_accuracy"] == pytest.approx(expected)
    assert metrics["head/qwk"] == pytest.approx(
        cohen_kappa_score(true, judged["head"], weights="quadratic")
    )
    everyone = evaluation.predictions
    assert metrics["with_overlap/linear_balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(everyone["rank"], everyone["linear"])
    )
    assert evaluation.confusion.to_numpy().sum() == len(judged) == metrics["labels/judged"]


def test_intervals_hold_their_values(case):
    table = case[2].intervals
    assert (table["low"] < table["value"] + 1e-9).mean() > 0.9
    assert (table["value"] < table["high"] + 1e-9).mean() > 0.9
    assert (table["high"] - table["low"] > 0).all()


def test_two_runs_give_the_same_tables(case):
    metadata, labels, first = case
    again = judge(metadata, labels, embed(metadata, labels))
    for field in dataclasses.fields(first):
        value = getattr(first, field.name)
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, getattr(again, field.name))
    assert first.metrics == pytest.approx(again.metrics, nan_ok=True)


def test_every_encoder_has_the_same_keys(case):
    metadata, labels, first = case
    other = judge(metadata, labels, np.random.default_rng(0).normal(size=(400, 3)))
    assert other.metrics.keys() == first.metrics.keys()
    assert other.metrics["probe/linear_balanced_accuracy"] == pytest.approx(0.25, abs=0.1)


def test_baselines_know_no_state(case):
    table = case[2].baselines.set_index(["features", "metric"])["value"]
    metric = "probe/linear_balanced_accuracy"
    assert table["majority", metric] == pytest.approx(0.25)
    for features in ("size only", "nuisances only"):
        assert table[features, metric] == pytest.approx(0.25, abs=0.1)
    assert table["encoder", metric] == case[2].metrics[metric]


def test_groups_cover_all_judged_craters(case):
    evaluation = case[2]
    for table in (evaluation.by_diameter, evaluation.by_band, evaluation.by_split):
        counts = table.drop_duplicates("group")["count"]
        assert counts.sum() == evaluation.metrics["labels/judged"]
    bands = list(dict.fromkeys(evaluation.by_band["group"]))
    assert bands == ["-60…-45°", "-45…-30°", "-30…-15°", "-15…0°"]
    assert next(iter(evaluation.by_diameter["group"])) == "4–5 km"


def test_the_digest_is_of_craters_states_and_folds(case):
    metadata, labels, evaluation = case
    order = np.random.default_rng(1).permutation(len(metadata))
    shuffled = build_evaluation_set(
        metadata.iloc[order], labels[::-1], CONFIG, context_diameters=1.5
    )
    assert shuffled.digest == evaluation.digest
    relabelled = labels.assign(state=labels["state"].replace({1: 2, 2: 1}))
    coarser = CONFIG.replace(block_deg=8.0)
    for changed in (
        build_evaluation_set(metadata, labels[:-1], CONFIG, context_diameters=1.5),
        build_evaluation_set(metadata, relabelled, CONFIG, context_diameters=1.5),
        build_evaluation_set(metadata, labels, coarser, context_diameters=1.5),
    ):
        assert changed.digest != evaluation.digest


def test_fewer_labels_than_neighbours_are_enough(case):
    metadata, labels, _ = case
    few = labels[labels["crater_id"] < "RR-0034"]
    config = CONFIG.replace(neighbours=200)
    evaluation = judge(metadata, few, embed(metadata, labels), config)
    assert evaluation.metrics["labels/used"] == 24


def test_useless_labels_are_counted_with_their_reason(case):
    metadata, labels, _ = case
    strange = labels.head(3).assign(crater_id=["X1", "X2", "X3"])
    some = pd.concat([labels, strange], ignore_index=True)
    some.loc[0, "value"] = np.nan
    some.loc[1, "state"] = 0
    rejected = build_evaluation_set(metadata, some, CONFIG, context_diameters=1.5).rejected
    assert rejected["reason"].value_counts().to_dict() == {
        "no crop for this crater": 3,
        "no value for this crater": 1,
        "no state for this crater": 1,
    }


def test_states_alone_are_enough(case):
    metadata, labels, _ = case
    plain = labels[["crater_id", "state"]]
    evaluation = judge(metadata, plain, embed(metadata, labels))
    assert evaluation.states == ("1", "2", "3", "4")
    assert evaluation.metrics["probe/spearman"] > 0.9
    assert "measured value" not in set(evaluation.audit["property"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.assign(crater_id="X" + t["crater_id"]), LabelsError, "None of the 390"),
        (lambda t: t.assign(state=2), LabelsError, "at least two states"),
        (lambda t: t.assign(value=-1.0), LabelsError, "no logarithm"),
        (lambda t: t.head(3), ConfigError, "too few for 5 folds"),
        (
            lambda t: t.assign(state=np.where(np.arange(390) == 0, 9, 1 + np.arange(390) % 3)),
            LabelsError,
            r"\(1 craters\) lies in one spatial fold",
        ),
    ],
)
def test_unusable_labels(case, change, error, message):
    metadata, labels, _ = case
    labels = change(labels[["crater_id", "state", "value"]])
    with pytest.raises(error, match=message):
        build_evaluation_set(metadata, labels, CONFIG, context_diameters=1.5)


def test_unusable_embeddings(case):
    metadata, labels, _ = case
    embeddings = embed(metadata, labels)
    with pytest.raises(LunarModelsError, match="do not match 400 rows"):
        judge(metadata, labels, embeddings[:-1])
    with pytest.raises(LunarModelsError, match="collapsed"):
        judge(metadata, labels, np.ones((400, 3)))
    embeddings[7, 2] = np.inf
    with pytest.raises(LunarModelsError, match="first that of crater 'RR-0007'"):
        judge(metadata, labels, embeddings)


def test_figures_can_be_drawn(case, candidates):
    figures = evaluation_figures(case[2])
    figures["comparison"] = comparison_figure(compare(candidates, replicates=10))
    for figure in figures.values():
        figure.canvas.draw()
        assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)
