"""Comparisons of runs tell better from equal, and refuse what cannot be compared."""

import numpy as np
import pytest
from evaluated_moon import embed, judge

from lunar_models.errors import ConfigError
from lunar_models.evaluation.paired_bootstrap import Candidate, compare


def test_comparison_tells_better_from_equal(candidates):
    comparison = compare(candidates, replicates=100)
    table = comparison.differences.set_index(["run", "metric"])
    metric = "probe/linear_balanced_accuracy"
    assert table.loc[("weak", metric), "high"] < 0
    assert table.loc[("weak", metric), "distinct"]
    same = table.loc["strong again"]
    assert (same["difference"].abs() < 1e-12).all()
    assert not same["distinct"].any()


def test_the_order_of_the_rows_does_not_matter(case):
    first = case[2]
    assert first.predictions["overlaps_training"].any()
    runs = {
        "one": Candidate(first.digest, first.predictions),
        "other": Candidate(first.digest, first.predictions.sample(frac=1, random_state=1)),
    }
    comparison = compare(runs, replicates=20)
    assert comparison.judged == (~first.predictions["overlaps_training"]).sum()
    differences = comparison.differences[["difference", "low", "high"]].dropna()
    assert len(differences)
    np.testing.assert_allclose(differences, 0.0, atol=1e-12)


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
