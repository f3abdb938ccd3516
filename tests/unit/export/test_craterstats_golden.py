"""Files that CraterStats 3.6.0 has read, and the ages it gave (benchmarks/craterstats_ages.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from lunar_models.catalogue.craterstats import read_craterstats
from lunar_models.degradation.ages import model_age
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.export.craterstats import write_diam, write_scc

GOLDEN = Path(__file__).parent / "golden"
ANSWERS = json.loads((GOLDEN / "craterstats_3_6.json").read_text())


@pytest.mark.parametrize("case", ANSWERS)
def test_ages_are_those_of_craterstats_within_2_percent(case):
    answer = ANSWERS[case]
    system = SYSTEMS[case.split("_")[0]]
    counted = np.full(answer["craters"], 1.5)
    age = model_age(system, counted, answer["area_km2"], 1.0, 20.0)
    ours = [age.median_ga, age.low_ga, age.high_ga]
    np.testing.assert_allclose(ours, answer["age_ga"], rtol=0.02)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("write", [write_scc, write_diam])
def test_files_are_still_those_that_craterstats_read(tmp_path, name, write):
    kind = "scc" if write is write_scc else "diam"
    golden = GOLDEN / f"{name}_all.{kind}"
    craters = read_craterstats(golden).craters
    area = bounds_area(-60, 10, -50, 20)
    write(tmp_path / golden.name, craters, area)
    assert (tmp_path / golden.name).read_text() == golden.read_text()
