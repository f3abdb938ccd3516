import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.errors import ConfigError, LabelsError, LunarModelsError
from lunar_models.evaluation import evaluate
from lunar_models.evaluation.evaluation_set import build_evaluation_set
from lunar_models.evaluation.paired_bootstrap import Candidate, compare
from lunar_models.plots.audit import verdict
from lunar_models.plots.comparison import comparison_figure
from lunar_models.plots.evaluation import evaluation_figures

CONFIG = EvaluateConfig(crops="crops", encoder_uri="encoder", bootstrap=40, neighbours=10)
NAMES = {1: "New", 2: "Semi-New", 3: "Semi-Old", 4: "Old"}


def moon(count=400, seed=0):
    """Craters with a planted state, and a label for all but the first ten."""
    rng = np.random.default_rng(seed)
    longitude = rng.uniform(-60, 0, count)
    metadata = pd.DataFrame(
        {
            "crater_id": [f"RR-{i:04d}" for i in range(count)],
            "longitude_deg": longitude,
            "latitude_deg": rng.uniform(0, 40, count),
            "diameter_km": rng.uniform(4, 15, count),
            "native_px": rng.uniform(20, 90, count).astype(np.float32),
            "mean_brightness": rng.uniform(60, 120, count).astype(np.float32),
            "flipped": (np.floor(longitude / 15) % 2).astype(bool),
            "sun_azimuth_deg": np.where(np.floor(longitude / 15) % 2, 270.0, 90.0),
            "rotation_deg": 0.0,
            "incidence_deg": np.nan,
            "split": rng.choice(["train", "test"], count),
        }
    )
    state = rng.integers(1, 5, count)
    labels = pd.DataFrame(
        {
            "crater_id": metadata["crater_id"],
            "state": state,
            "state_name": [NAMES[one] for one in state],
            "value": 10.0 ** (-state / 4 - rng.uniform(0, 0.05, count)),
        }
    )
    return metadata, labels[10:].sample(frac=1, random_state=seed)


def embed(metadata, labels, *, signal=3.0, sun=0.0, seed=0):
    """Embeddings that hold the state, and the Sun's side if wanted."""
    rng = np.random.default_rng(seed)
    state = labels.set_index("crater_id")["state"].reindex(metadata["crater_id"]).fillna(1)
    embeddings = rng.normal(size=(len(metadata), 6))
    embeddings[:, 0] += signal * state.to_numpy()
    embeddings[:, 1] += sun * metadata["flipped"].to_numpy()
    return embeddings


def judge(metadata, labels, embeddings, config=CONFIG):
    return evaluate(embeddings, metadata, labels, config, context_diameters=1.5)


@pytest.fixture(scope="module")
def case():
    metadata, labels = moon()
    return metadata, labels, judge(metadata, labels, embed(metadata, labels))


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


def test_audit_finds_planted_lighting_and_only_that(case):
    metadata, labels, clean = case
    lit = judge(metadata, labels, embed(metadata, labels, signal=0.1, sun=20.0))
    dirty, pure = (e.audit.set_index("property") for e in (lit, clean))
    assert dirty.loc["Sun side", "skill"] > 0.95
    assert dirty.loc["Sun side", "association"] > 0.3
    assert pure.loc["Sun side", "skill"] < 0.25
    assert pure.loc["Sun side", "association"] < 0.05
    assert pure.loc["state", "association"] > 0.4
    assert pure.loc["longitude band", "chance"] == pytest.approx(1 / 4)
    assert (pure.loc[["latitude", "log diameter", "mean brightness"], "value"] < 0.1).all()


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


@pytest.fixture(scope="module")
def candidates(case):
    metadata, labels, first = case
    weak = judge(metadata, labels, embed(metadata, labels, signal=0.7, seed=5))
    return {
        "strong": Candidate(first.digest, first.predictions),
        "weak": Candidate(weak.digest, weak.predictions.sample(frac=1, random_state=0)),
        "strong again": Candidate(first.digest, first.predictions.copy()),
    }


def test_comparison_tells_better_from_equal(candidates):
    comparison = compare(candidates, replicates=100)
    table = comparison.differences.set_index(["run", "metric"])
    metric = "probe/linear_balanced_accuracy"
    assert table.loc[("weak", metric), "high"] < 0
    assert table.loc[("weak", metric), "distinct"]
    same = table.loc["strong again"]
    assert (same["difference"].abs() < 1e-12).all()
    assert not same["distinct"].any()


def test_paired_differences_are_surer_than_either_run(candidates, case):
    metadata, labels, _ = case
    twin = judge(
        metadata,
        labels,
        embed(metadata, labels, signal=1.0) + 0.2 * embed(metadata, labels, signal=0, seed=9),
    )
    base = judge(metadata, labels, embed(metadata, labels, signal=1.0))
    runs = {name: Candidate(e.digest, e.predictions) for name, e in (("a", base), ("b", twin))}
    comparison = compare(runs, replicates=300)
    metric = "probe/linear_qwk"
    difference = comparison.differences.set_index("metric").loc[metric]
    alone = comparison.metrics.set_index(["run", "metric"]).loc[("b", metric)]
    assert difference["high"] - difference["low"] < alone["high"] - alone["low"]


def test_runs_on_other_data_are_refused(candidates):
    other = {**candidates, "other": Candidate("0" * 64, candidates["weak"].predictions)}
    with pytest.raises(ConfigError, match=r"'other' was evaluated on other craters.*000000000000"):
        compare(other)


def test_comparisons_that_cannot_be_made(candidates):
    with pytest.raises(ConfigError, match="at least two runs"):
        compare({"strong": candidates["strong"]})
    with pytest.raises(ConfigError, match="not among the runs"):
        compare(candidates, reference="none")


def test_figures_can_be_drawn(case, candidates):
    figures = evaluation_figures(case[2])
    figures["comparison"] = comparison_figure(compare(candidates, replicates=10))
    for figure in figures.values():
        figure.canvas.draw()
        assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)


@pytest.mark.parametrize(
    ("state", "sun", "sentence"),
    [
        (0.4, 0.1, "Clusters follow geology: state 0.40, Sun side 0.10"),
        (0.1, 0.4, "Clusters follow lighting: Sun side 0.40, state 0.10"),
        (0.01, 0.02, "Clusters follow nothing measured here (all below 0.05)"),
    ],
)
def test_the_verdict_of_the_audit(state, sun, sentence):
    audit = pd.DataFrame(
        {
            "property": ["state", "Sun side"],
            "kind": ["geology", "lighting"],
            "association": [state, sun],
        }
    )
    assert verdict(audit) == sentence


def test_the_audit_figure_states_its_verdict(case):
    title = evaluation_figures(case[2])["figures/audit.png"].get_suptitle()
    assert title.startswith("Clusters follow geology: ")


def test_audit_shows_that_states_depend_on_the_incidence(case):
    """The incidence of most craters is known, and the more worn the higher it is."""
    metadata, labels, _ = case
    state = labels.set_index("crater_id")["state"].reindex(metadata["crater_id"]).to_numpy(float)
    noise = np.random.default_rng(0).normal(size=len(metadata))
    incidence = np.where(noise < 1, 55 + 5 * state + 2 * noise, np.nan)
    table = metadata.assign(
        incidence_deg=incidence,
        rotation_deg=20.0,
        sun_azimuth_deg=np.where(noise > 0.5, np.nan, 180 + 90 * np.sign(noise)),
    )
    audit = judge(table, labels, embed(metadata, labels)).audit.set_index("property")
    assert audit.loc["incidence", "state_association"] > 0.4
    assert audit.loc["incidence", "value"] > 0.5
    assert abs(audit.loc["Sun azimuth", "state_association"]) < 0.05
    assert audit.loc["Sun azimuth", "chance"] == pytest.approx(1 / 2)
    assert audit.loc["state", "state_association"] == pytest.approx(1)
    few = metadata.assign(incidence_deg=np.where(np.arange(len(metadata)) < 50, incidence, np.nan))
    assert "incidence" not in set(judge(few, labels, embed(metadata, labels)).audit["property"])
