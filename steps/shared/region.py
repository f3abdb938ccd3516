"""Log the analysis of a region among the artifacts of a run."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from lunar_models.config.analyse import AnalyseConfig
from lunar_models.config.columns import parse_columns
from lunar_models.degradation.analysis import Analysis, analyse
from lunar_models.degradation.areas import CountingArea, bounds_area
from lunar_models.degradation.chronology import chronology_system
from lunar_models.degradation.diffusion_age import MARE, Diffusivity
from lunar_models.degradation.mosaic_area import mosaic_area, pixel_size_m
from lunar_models.degradation.population import read_population
from lunar_models.degradation.schemes import scheme_named
from lunar_models.degradation.summaries import Choices
from lunar_models.errors import LunarModelsError
from lunar_models.export.methods import format_age, format_area
from lunar_models.export.region import write_exports, write_tables
from lunar_models.mosaic.overview import read_overview
from lunar_models.mosaic.raster import Mosaic
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.print import Width, save_print
from lunar_models.plots.region import region_figures
from lunar_models.plots.thumbnails import Bounds
from steps.shared.tracking import log_folder, log_metrics, set_tag

PARTS = ("tables", "exports", "figures", "print")
"""Folders of artifacts."""
MOST_EXPORTED = 200_000
"""Craters of `log_region` above which there are no exports: each is a polygon in a shapefile."""


def choices(config: AnalyseConfig, mosaics: Sequence[Mosaic]) -> Choices:
    """Return the parameters as the library takes them."""
    published = (config.diffusivity_m2_per_myr, config.diffusivity_exponent) == (
        MARE.at_1_km_m2_per_myr,
        MARE.exponent,
    )
    law = MARE if published else Diffusivity(
        config.diffusivity_m2_per_myr, config.diffusivity_exponent,
        MARE.diameter_range_km, MARE.oldest_ga, None,
    )  # fmt: skip
    return Choices(
        system=chronology_system(config.chronology),
        diffusivity=law,
        binning=config.binning,
        level=config.age_interval,
        complete_from_km=config.complete_from_km,
        pixel_size_m=max(map(pixel_size_m, mosaics)) if mosaics else None,
        age_min_km=config.age_min_km,
        age_max_km=config.age_max_km or np.inf,
        buffered=config.counting == "buffered",
        scheme=None if config.scheme == "none" else scheme_named(config.scheme),
    )


def log_region(
    table: Path,
    mosaics: Sequence[Mosaic],
    *,
    limits: Mapping[str, Any],
) -> None:
    """Log sizes and ages of the craters that another step has classified, under ``analysis/``.

    With the defaults of the analyse step. What cannot be analysed is said and tagged, and the step
    continues.

    Args:
        table: what the step wrote.
        mosaics: whose valid pixels are the counting area.
        limits: parameters of preprocess by name. Its catalogue says which craters there are, where
            it is still there; else those of the table are counted, and that is noted.
    """
    config = AnalyseConfig(table=str(table))
    try:
        catalogue = limits.get("catalogue")
        whole = catalogue is not None and Path(catalogue).is_file()
        craters, _ = read_population(
            table,
            catalogue=catalogue if whole else None,
            columns=parse_columns(limits.get("columns")) if whole else None,
        )
        area = _limited(mosaic_area(mosaics), limits)
        if not whole:
            lost = f"The catalogue {catalogue} is gone, so craters without a crop are not counted."
            area = replace(area, notes=(*area.notes, lost))
        analysis = analyse(craters, area, choices(config, mosaics))
    except LunarModelsError as error:
        click.echo(f"sizes and ages are left out: {error}")
        set_tag("left_out.analysis", str(error))
        return
    log_analysis(
        analysis,
        background=background(mosaics[0]),
        exports=len(analysis.craters) <= MOST_EXPORTED,
        under="analysis/",
    )
    for line in (*analysis.notes, headline(analysis)):
        click.echo(line)


def log_analysis(
    analysis: Analysis,
    *,
    background: Background | None,
    width: Width = "one",
    vector: Literal["pdf", "svg"] = "pdf",
    sun_side: str | None = None,
    exports: bool = True,
    under: str = "",
) -> None:
    """Log the numbers, tables, figures and exports of an analysis to the active run.

    Args:
        analysis: of the region.
        background: of the map.
        width: of the figures for print.
        vector: their format.
        sun_side: noted on the map.
        exports: whether to write files for other programs.
        under: where, ending in a slash; also before the names of the metrics.
    """
    log_metrics({under + name: value for name, value in _numbers(analysis).items()})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS:
            (folder / part).mkdir()
        write_tables(folder / "tables", analysis)
        if exports:
            write_exports(folder / "exports", analysis)
        figures = region_figures(analysis, width, background=background, sun_side=sun_side)
        for key, figure in figures.items():
            save_print(figure, folder / "figures" / f"{key}.png")
            save_print(figure, folder / "print" / f"{key}.{vector}")
        for part in PARTS:
            if any((folder / part).iterdir()):
                log_folder(folder / part, f"{under}{part}")


def _limited(area: CountingArea, limits: Mapping[str, Any]) -> CountingArea:
    """The part of an area between the longitudes and latitudes of preprocess."""
    widest = {
        "longitude_min_deg": -180.0, "latitude_min_deg": -90.0,
        "longitude_max_deg": 180.0, "latitude_max_deg": 90.0,
    }  # fmt: skip
    given = {name: limits.get(name) for name in widest}
    if all(value is None for value in given.values()):
        return area
    bounds = [widest[name] if value is None else value for name, value in given.items()]
    return area.intersection(bounds_area(*bounds))


def headline(analysis: Analysis) -> str:
    """Craters, area and age in one line."""
    age = analysis.age
    return (
        f"{age.craters:,} craters on {format_area(analysis.area.area_km2)}: "
        f"{format_age(age.median_ga, age.low_ga, age.high_ga)}"
    )


def background(mosaic: Mosaic) -> Background:
    """Return an overview of the mosaic to draw behind maps."""
    image, (west, east, south, north) = read_overview(mosaic)
    return Background(image, Bounds(west, east, south, north))


def _numbers(analysis: Analysis) -> dict[str, Any]:
    everything, age = analysis.populations.iloc[0], analysis.age
    return {
        "area/km2": analysis.area.area_km2,
        "craters/count": everything["craters"],
        "craters/completeness_km": everything["completeness_km"],
        "craters/slope": everything["slope"],
        "age/ga": age.median_ga,
        "age/low_ga": age.low_ga,
        "age/high_ga": age.high_ga,
        "age/n1_per_km2": age.n1_per_km2,
    }
