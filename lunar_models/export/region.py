"""Write all products of the analysis of a region to one folder."""

from pathlib import Path

import geopandas as gpd
import pandas as pd

from lunar_models.colours import UNKNOWN, state_colours
from lunar_models.degradation.analysis import Analysis
from lunar_models.degradation.tag_columns import tag_names
from lunar_models.export.craterstats import write_craterstats
from lunar_models.export.geopackage_style import add_state_style, use_fixed_time
from lunar_models.export.journal import journal_table, write_cds, write_robbins_csv
from lunar_models.export.latex import AGE, POPULATIONS, RETENTION, write_latex
from lunar_models.export.methods import bibtex, methods_paragraph, references
from lunar_models.export.pds4 import write_pds4
from lunar_models.export.shapefiles import area_polygons, write_shapefiles
from lunar_models.export.tables import write_csv, write_geojson
from lunar_models.moon import LUNAR_GEOGRAPHIC

_PRINTED = {
    "age": ("Model age of all craters, and what it was computed from", AGE),
    "populations": ("Craters of each degradation state", POPULATIONS),
    "retention": ("Model age of the craters of each state and fresher ones", RETENTION),
}
"""Tables that are printed: caption and columns."""
_IDENTIFIER = "urn:nasa:pds:lunar_models:data_derived:craters"


def result_tables(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Return the tables of an analysis by file name, those without rows left out."""
    age = analysis.age
    ages = pd.DataFrame(
        [
            {
                "area": analysis.area.source,
                "area_km2": analysis.area.area_km2,
                "perimeter_km": analysis.area.perimeter_km,
                "chronology": analysis.choices.system.name,
                "diameter_min_km": age.diameter_min_km,
                "diameter_max_km": age.diameter_max_km,
                "craters": age.craters,
                "age_ga": age.median_ga,
                "age_low_ga": age.low_ga,
                "age_high_ga": age.high_ga,
                "interval": age.level,
                "n1_per_km2": age.n1_per_km2,
            }
        ]
    )
    tables = {
        "age": ages,
        "populations": analysis.populations,
        "size_frequency": analysis.size_frequency,
        "retention": analysis.retention,
        "retention_by_diameter": analysis.retention_by_diameter,
        "k_by_diameter": analysis.k_by_diameter,
        "crater_ages": analysis.crater_ages,
    }
    return {name: table for name, table in tables.items() if len(table)}


def write_tables(folder: Path, analysis: Analysis) -> None:
    """Write `result_tables` as CSV, the short ones as LaTeX too, the methods and the references."""
    tables = result_tables(analysis)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
    level = analysis.choices.level
    for name, (title, columns) in _PRINTED.items():
        if name in tables:
            caption = f"{title}; {100 * level:.3g} % intervals in brackets."
            path, label = folder / f"{name}.tex", f"tab:{name}"
            write_latex(path, tables[name], columns, caption=caption, label=label)
    papers = references(analysis)
    parts = ["# Methods", methods_paragraph(analysis)]
    if analysis.notes:
        parts.append("\n".join(f"- {note}" for note in analysis.notes))
    parts += ["# References", "\n".join(f"- {paper}" for paper in papers)]
    (folder / "methods.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    (folder / "references.bib").write_text(bibtex(papers), encoding="utf-8")


def write_exports(folder: Path, analysis: Analysis) -> None:
    """Write the craters for CraterStats, CraterTools, QGIS, Robbins' users, VizieR and PDS4.

    Args:
        folder: an empty folder; gets ``craterstats/``, ``cratertools/``, ``vizier/``, ``pds4/``,
            ``craters.gpkg``, ``craters.geojson`` and ``robbins.csv``.
        analysis: of the region.
    """
    for name in ("craterstats", "cratertools", "vizier", "pds4"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    table = journal_table(analysis.craters, analysis.crater_ages)
    title = f"Craters of {analysis.area.source}"
    write_craterstats(folder / "craterstats", analysis)
    write_shapefiles(folder / "cratertools", "all", analysis.craters, analysis.area)
    for state in analysis.states:
        group = analysis.craters[analysis.craters["state"] == state]
        write_shapefiles(folder / "cratertools", f"state_{state}", group, analysis.area)
    write_cds(folder / "vizier", table, title=title)
    write_pds4(folder / "pds4", table, title=title, identifier=_IDENTIFIER)
    tags = analysis.craters[tag_names(analysis.craters)].reset_index(drop=True)
    table = pd.concat([table, tags], axis=1)  # the formats above have fixed columns
    write_robbins_csv(folder / "robbins.csv", table)
    write_geojson(folder / "craters.geojson", table, layer="craters")
    write_csv(folder / "craters.csv", table)
    _write_geopackage(folder / "craters.gpkg", table, analysis)


def _write_geopackage(path: Path, table: pd.DataFrame, analysis: Analysis) -> None:
    """Layers ``area`` and ``craters``; QGIS opens the craters coloured by state."""
    area = gpd.GeoDataFrame(
        {"name": [analysis.area.source], "area_km2": [analysis.area.area_km2]},
        geometry=[area_polygons(analysis.area)],
        crs=LUNAR_GEOGRAPHIC,
    )
    points = gpd.points_from_xy(table["longitude_deg"], table["latitude_deg"])
    craters = gpd.GeoDataFrame(table, geometry=points, crs=LUNAR_GEOGRAPHIC)
    use_fixed_time()
    area.to_file(path, driver="GPKG", layer="area")
    craters.to_file(path, driver="GPKG", layer="craters")
    if analysis.states:
        colours = state_colours(analysis.states)
        named = [(s, name, colours[s]) for s, name in analysis.states.items()]
        add_state_style(path, "craters", [*named, (0, "no state", UNKNOWN)])
