import re

import numpy as np
import pandas as pd
import pytest

from lunar_models.degradation.analysis import analyse
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.degradation.summaries import Choices
from lunar_models.export.latex import LatexColumn, escape, write_latex
from lunar_models.export.region import write_tables

COLUMNS = (
    LatexColumn("state_name", "State"),
    LatexColumn("n", "Craters"),
    LatexColumn("age_ga", "Model age", "Ga", ("low", "high")),
    LatexColumn("n1", "$N(1)$", "km$^{-2}$"),
)
FRAME = pd.DataFrame(
    {
        "state_name": ["A & B", "C_1"], "n": [12, 3], "age_ga": [3.14159, np.nan],
        "low": [3.0, np.nan], "high": [3.3, np.nan], "n1": [1.23456e-5, 0.25],
    }
)  # fmt: skip


def written(path, frame=FRAME):
    write_latex(path, frame, COLUMNS, caption="50 % of them", label="tab:t")
    return path.read_text()


def test_heads_have_units_and_intervals_are_in_brackets(tmp_path):
    text = written(tmp_path / "t.tex")
    assert r"State & Craters & Model age (Ga) & $N(1)$ (km$^{-2}$) \\" in text
    assert r"A \& B & 12 & 3.142 (3 to 3.3) & $1.235\times10^{-5}$ \\" in text
    assert r"C\_1 & 3 & -- & 0.25 \\" in text
    assert r"50 \% of them" in text
    assert r"\begin{tabular}{lrrr}" in text


def test_a_single_row_is_turned(tmp_path):
    text = written(tmp_path / "t.tex", FRAME.head(1))
    assert r"Model age (Ga) & 3.142 (3 to 3.3) \\" in text
    assert text.count(r" \\") == 1 + len(COLUMNS)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        (r"C:\x {y} ^~", r"C:\textbackslash{}x \{y\} \textasciicircum{}\textasciitilde{}"),
        ("0 to 10°", r"0 to 10$^{\circ}$"),
    ],
)
def test_names_of_files_and_areas_are_escaped(text, latex):
    assert escape(text) == latex


def test_printed_numbers_are_those_of_the_csv(tmp_path):
    rng = np.random.default_rng(0)
    craters = pd.DataFrame(
        {
            "crater_id": [str(i) for i in range(300)],
            "longitude_deg": rng.uniform(0, 10, 300), "latitude_deg": rng.uniform(0, 10, 300),
            "diameter_km": rng.random(300) ** -0.4,
            "state": pd.array(rng.integers(1, 5, 300), dtype="Int64"),
        }
    )  # fmt: skip
    choices = Choices(SYSTEMS["neukum1983"], MARE)
    write_tables(tmp_path, analyse(craters, bounds_area(0, 0, 10, 10), choices))
    for name, columns in (
        ("populations", ("slope", "n1_per_km2")), ("retention", ("age_ga", "age_high_ga")),
        ("age", ("age_ga", "area_km2", "perimeter_km")),
    ):  # fmt: skip
        table = pd.read_csv(tmp_path / f"{name}.csv")
        text = (tmp_path / f"{name}.tex").read_text()
        body = re.sub(r"\\times10\^\{(-?\d+)\}", r"e\1", text)
        printed = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", body)]
        for column in columns:
            for value in table[column]:
                # four figures, or to the unit above 10,000
                tolerance = max(abs(value) * 6e-4, 0.0)
                assert min(abs(np.array(printed) - value)) <= tolerance, (name, column, value)
