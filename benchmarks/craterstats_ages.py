"""Compare our exports and ages with CraterStats 3.6 itself.

CraterStats needs Python 3.12 and other versions of our packages, so it lives in an environment of
its own (``python3.12 -m venv cs && cs/bin/pip install craterstats==3.6.0``):

    python -m benchmarks.craterstats_ages --craterstats cs/bin/craterstats

For surfaces of planted ages this writes what ``analyse`` writes, lets CraterStats draw its plots
and read its age from the ``.scc`` and from the shapefiles, and prints both ages; the bar is 2 %.
``--golden FOLDER`` keeps the files and CraterStats' answers for the tests.
"""

import argparse
import csv
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.planted_ages import AREA, draw
from lunar_models.degradation.analysis import Choices, analyse
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.export.craterstats import write_craterstats
from lunar_models.export.shapefiles import write_shapefiles

CASES = [(name, age) for name in SYSTEMS for age in (0.3, 2.5, 3.5, 3.9)]
KEPT_GA = 0.3
"""Of the golden files only the smallest are kept; of the others CraterStats' answers are."""


def main() -> None:
    """Print a table, and keep golden files if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--craterstats", required=True, help="The craterstats program.")
    parser.add_argument("--golden", type=Path, help="Folder for golden files.")
    arguments = parser.parse_args()
    program = str(Path(arguments.craterstats).absolute())
    print("| system | planted [Ga] | ours [Ga] | CraterStats [Ga] | from shapefiles | craters |")
    print("|---|---|---|---|---|---|")
    worst, golden = 0.0, {}
    for name, planted_ga in CASES:
        with tempfile.TemporaryDirectory() as folder:
            craters = draw(SYSTEMS[name], planted_ga, np.random.default_rng(7))
            ours, theirs, shapes = _compare(name, craters, Path(folder), program)
            if arguments.golden and planted_ga == KEPT_GA:
                for file in ("all.scc", "all.diam"):
                    shutil.copy(Path(folder) / file, arguments.golden / f"{name}_{file}")
        golden[f"{name}_{planted_ga:g}"] = theirs
        for other in (theirs, shapes):
            worst = max(
                worst, *(abs(o / t - 1) for o, t in zip(ours, other["age_ga"], strict=True))
            )
        print(
            f"| {name} | {planted_ga:g} | {_text(ours)} | {_text(theirs['age_ga'])} | "
            f"{_text(shapes['age_ga'])} | {theirs['craters']} |"
        )
    print(f"\nLargest difference of an age or a limit: {worst:.2%}")
    if arguments.golden:
        text = json.dumps(golden, indent=2) + "\n"
        (arguments.golden / "craterstats_3_6.json").write_text(text)


def _compare(
    name: str, craters: pd.DataFrame, folder: Path, program: str
) -> tuple[list[float], dict[str, object], dict[str, object]]:
    choices = Choices(SYSTEMS[name], MARE, age_min_km=1.0, age_max_km=20.0)
    analysis = analyse(craters, AREA, choices)
    write_craterstats(folder, analysis)
    write_shapefiles(folder, "all", analysis.craters, AREA)
    for presentation in ("cumulative", "differential", "r"):
        _run(program, folder, "-i", f"{presentation}.cs", "-f", "csv", "png")
        assert (folder / f"{presentation}.png").stat().st_size > 10_000
    system = (folder / "cumulative.cs").read_text().split()[1]
    plot = ("-p", "source=CRATER_all.shp", "-p", "type=poisson,range=[1,20],snap=0")
    _run(program, folder, "-cs", system, *plot, "-f", "csv", "-o", "shapes")
    age = analysis.age
    ours = [age.median_ga, age.low_ga, age.high_ga]
    return ours, _answer(folder / "cumulative.csv"), _answer(folder / "shapes.csv")


def _run(program: str, folder: Path, *arguments: str) -> None:
    subprocess.run([program, *arguments], cwd=folder, check=True, capture_output=True, text=True)


def _answer(path: Path) -> dict[str, object]:
    """Age with its limits and the number of craters, from CraterStats' table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    head = next(i for i, row in enumerate(rows) if row and row[0] == "Name")
    row = dict(zip(rows[head], rows[head + 1], strict=False))
    ages = [float(rows[head + 1][rows[head].index(n)]) for n in ("Age", "Age-", "Age+")]
    return {"age_ga": ages, "craters": int(row["N"]), "area_km2": float(row["Area"])}


def _text(ages: "list[float] | object") -> str:
    return "{:.4g} ({:.4g} to {:.4g})".format(*ages)  # type: ignore[misc]


if __name__ == "__main__":
    main()
