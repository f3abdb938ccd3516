"""Write crater counts as CraterStats reads them: ``.scc``, ``.diam`` and plot commands.

Michael & Neukum (2010, doi 10.1016/j.epsl.2009.12.041); Michael, Kneissl & Neesemann (2016, doi
10.1016/j.icarus.2016.05.019). Craters are counted by their centres, so each has the fraction 1.
CraterStats takes the stated area unchecked; ours is that of the outline in the file.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lunar_models.degradation.analysis import Analysis
from lunar_models.degradation.areas import CountingArea
from lunar_models.degradation.sphere_rings import sphere_rings
from lunar_models.moon import LUNAR_GEOGRAPHIC, MOON_RADIUS_KM

_SYSTEMS = {
    "Moon, Neukum (1983)": "moonneukum1983",
    "Moon, Neukum et al. (2001)": "moonneukumal2001",
    "Moon, Yue et al. (2022)": "moonyue2022",
    "Moon, Hartmann 2010 iteration": "moonhartmann2010",
}
"""CraterStats' names -> abbreviations that match nothing else."""
_COLOURS = ("black", "blue", "green", "orange", "red", "violet", "grey")
_PRESENTATIONS = {"cumulative": "cumulative", "differential": "differential", "r": "R-plot"}
"""``-pr rel`` draws a differential plot without a word; ``R-plot`` is right."""


def write_scc(path: Path, craters: pd.DataFrame, area: CountingArea) -> None:
    """Write a spatial crater count: the outline, and each crater with its place.

    Args:
        path: the file, ending in ``.scc``.
        craters: longitude_deg, latitude_deg and diameter_km of those on the area.
        area: the counting area.
    """
    boundary = _boundary(area)
    rows = [
        f"{d:.9g}\t1\t{x:.12g}\t{y:.12g}"
        for d, x, y in zip(
            craters["diameter_km"], craters["longitude_deg"], craters["latitude_deg"], strict=True
        )
    ]
    lines = [
        "# Spatial crater count",
        f"# Area: {area.source}",
        f"a_axis_radius = {MOON_RADIUS_KM} <km>",
        f"b_axis_radius = {MOON_RADIUS_KM} <km>",
        f"c_axis_radius = {MOON_RADIUS_KM} <km>",
        f"coordinate_system_name = {LUNAR_GEOGRAPHIC}",
        "unit_boundary = {vertex, sub_area, tag, lon, lat",
        *boundary,
        "}",
        f"Total_area = {area.area_km2:.9f} <km^2>",
        f"Total_perimeter = {area.perimeter_km:.9f} <km>",
        "crater = {diam, fraction, lon, lat",
        *rows,
        "}",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_diam(path: Path, craters: pd.DataFrame, area: CountingArea) -> None:
    """Write diameters with fractions and places; arguments as in `write_scc`."""
    rows = [
        f"{d:.9g}\t1\t{x:.12g}\t{y:.12g}"
        for d, x, y in zip(
            craters["diameter_km"], craters["longitude_deg"], craters["latitude_deg"], strict=True
        )
    ]
    head = ["# Diameters in km", f"# Area: {area.source}", f"area = {area.area_km2:.9f}"]
    lines = [*head, "crater = {diameter, fraction, lon, lat", *rows, "}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_craterstats(folder: Path, analysis: Analysis) -> list[Path]:
    """Write an analysis for CraterStats: counts of all craters and of each state, and commands.

    Run ``craterstats -i cumulative.cs`` (or ``differential.cs``, ``r.cs``) there.

    Returns:
        The files: ``all.scc``, ``all.diam``, ``state_1.scc`` …, ``cumulative.cs`` …
    """
    groups = {"all": analysis.craters}
    for state in analysis.states:
        groups[f"state_{state}"] = analysis.craters[analysis.craters["state"] == state]
    files = []
    for name, craters in groups.items():
        if craters.empty:  # CraterStats cannot read an empty table
            continue
        write_scc(folder / f"{name}.scc", craters, analysis.area)
        write_diam(folder / f"{name}.diam", craters, analysis.area)
        files += [folder / f"{name}.scc", folder / f"{name}.diam"]
    for name, presentation in _PRESENTATIONS.items():
        path = folder / f"{name}.cs"
        path.write_text(commands(analysis, presentation, name), encoding="utf-8")
        files.append(path)
    return files


def commands(analysis: Analysis, presentation: str, output: str) -> str:
    """Return the options of one CraterStats plot, for ``craterstats -i``."""
    system = analysis.choices.system
    age = analysis.age
    kind = "b-poisson" if analysis.choices.buffered else "poisson"
    lines: list[Sequence[str]] = [
        ("-cs", _SYSTEMS[system.craterstats]),
        ("-ef", "trask"),
        ("-pr", presentation),
        ("-title", analysis.area.source),
        ("-o", output),
        ("-p", "source=all.scc,name=all craters,psym=circle"),
    ]
    if age.known:
        range_km = f"[{age.diameter_min_km:.9g},{age.diameter_max_km:.9g}]"
        lines.append(("-p", f"type={kind},range={range_km},snap=0"))
    for state, title in analysis.states.items():
        if (analysis.craters["state"] == state).any():
            colour = _COLOURS[min(state, len(_COLOURS) - 1)]
            source = f"source=state_{state}.scc,name={title},type=data,colour={colour},psym=square"
            lines.append(("-p", source))
    return "\n".join(shlex.join(line) for line in lines) + "\n"


def _boundary(area: CountingArea) -> list[str]:
    rows: list[str] = []
    for number, (outer, ring) in enumerate(sphere_rings(area.shape), start=1):
        tag = "ext" if outer else "int"
        for x, y in ring:
            rows.append(f"{len(rows) + 1}\t{number}\t{tag}\t{x:.12g}\t{y:.12g}")
    return rows
