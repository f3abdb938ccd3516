"""One evaluated Moon for all tests of evaluation."""

import pytest
from evaluated_moon import embed, judge, moon

from lunar_models.evaluation.paired_bootstrap import Candidate


@pytest.fixture(scope="session")
def case():
    metadata, labels = moon()
    return metadata, labels, judge(metadata, labels, embed(metadata, labels))


@pytest.fixture(scope="session")
def candidates(case):
    metadata, labels, first = case
    weak = judge(metadata, labels, embed(metadata, labels, signal=0.7, seed=5))
    return {
        "strong": Candidate(first.digest, first.predictions),
        "weak": Candidate(weak.digest, weak.predictions.sample(frac=1, random_state=0)),
        "strong again": Candidate(first.digest, first.predictions.copy()),
    }
