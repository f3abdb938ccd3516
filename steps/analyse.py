"""Count, date and export the craters of a region."""

import tempfile
from pathlib import Path

import click
import mlflow
import numpy as np

from lunar_models.config.analyse import AnalyseConfig
from lunar_models.config.columns import parse_columns
from lunar_models.degradation.analysis import Analysis, analyse
from lunar_models.degradation.area_files import read_area
from lunar_models.degradation.areas import CountingArea, bounds_area
from lunar_models.degradation.chronology import chronology_system
from lunar_models.degradation.diffusion_age import MARE, Diffusivity
from lunar_models.degradation.mosaic_area import mosaic_area, pixel_size_m
from lunar_models.degradation.population import read_population
from lunar_models.degradation.schemes import scheme_named
from lunar_models.degradation.summaries import Choices
from lunar_models.errors import AreaError
from lunar_models.export.methods import format_age
from lunar_models.export.region import write_exports, write_tables
from lunar_models.mosaic.overview import read_overview
from lunar_models.mosaic.raster import READING, Mosaic
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.print import save_print, state_colour
from lunar_models.plots.region import region_figures
from lunar_models.plots.thumbnails import Bounds
from serving.cli.options import config_command
from steps.shared.tracking import log_folder, log_metrics, resolve_artifacts, step_run


@config_command(AnalyseConfig)
def main(config: AnalyseConfig) -> None:
    """Count, date and export the craters of a region, by degradation state."""
    with step_run("analyse", config, name=f"analyse-{config.chronology}"):
        craters, rejected = read_population(
            resolve_artifacts(config.table),
            columns=parse_columns(config.columns),
            catalogue=config.catalogue,
            states=config.states,
            depths=config.depths,
        )
        analysis = analyse(craters, counting_area(config), choices(config))
        _log_numbers(analysis)
        _log_files(analysis, config)
        if len(rejected):
            mlflow.log_text(rejected.to_csv(index=False), "tables/rejected.csv")
        for note in analysis.notes:
            click.echo(note)
        age = analysis.age
        click.echo(
            f"{age.craters:,} craters on {analysis.area.area_km2:,.6g} km²: "
            f"{format_age(age.median_ga, age.low_ga, age.high_ga)}"
        )


def counting_area(config: AnalyseConfig) -> CountingArea:
    """What the polygons, the mosaic and the bounds have in common.

    Raises:
        AreaError: none of them is given, or one cannot be used.
    """
    areas = []
    if config.area is not None:
        areas.append(read_area(resolve_artifacts(config.area), crs=config.area_crs))
    if config.mosaic:
        areas.append(mosaic_area(_mosaics(config)))
    if config.bounds_deg:
        areas.append(bounds_area(*config.bounds_deg))
    if not areas:
        raise AreaError(
            "The counting area is unknown: give area=POLYGONS, mosaic=FILE (its valid pixels), or "
            "bounds_deg=west,south,east,north."
        )
    whole, *others = areas
    for other in others:
        whole = whole.intersection(other)
    return whole


def choices(config: AnalyseConfig) -> Choices:
    """The parameters as the library takes them."""
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
        pixel_size_m=max(map(pixel_size_m, _mosaics(config))) if config.mosaic else None,
        age_min_km=config.age_min_km,
        age_max_km=config.age_max_km or np.inf,
        buffered=config.counting == "buffered",
        scheme=None if config.scheme == "none" else scheme_named(config.scheme),
    )


def _log_numbers(analysis: Analysis) -> None:
    everything = analysis.populations.iloc[0]
    age = analysis.age
    log_metrics(
        {
            "area/km2": analysis.area.area_km2,
            "craters/count": everything["craters"],
            "craters/completeness_km": everything["completeness_km"],
            "craters/slope": everything["slope"],
            "age/ga": age.median_ga,
            "age/low_ga": age.low_ga,
            "age/high_ga": age.high_ga,
            "age/n1_per_km2": age.n1_per_km2,
        }
    )


def _log_files(analysis: Analysis, config: AnalyseConfig) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("tables", "exports", "figures", "print"):
            (folder / part).mkdir()
        write_tables(folder / "tables", analysis)
        write_exports(folder / "exports", analysis, {s: state_colour(s) for s in analysis.states})
        figures = region_figures(
            analysis, config.figure_width, background=_background(config), sun_side=config.sun_side
        )
        for key, figure in figures.items():
            save_print(figure, folder / "figures" / f"{key}.png")
            save_print(figure, folder / "print" / f"{key}.{config.figure_format}")
        for part in ("tables", "exports", "figures", "print"):
            log_folder(folder / part, part)


def _mosaics(config: AnalyseConfig) -> list[Mosaic]:
    reading = {name: getattr(config, name) for name in READING}
    return [Mosaic.open(path, **reading) for path in config.mosaic]


def _background(config: AnalyseConfig) -> Background | None:
    if not config.mosaic:
        return None
    image, (west, east, south, north) = read_overview(_mosaics(config)[0])
    return Background(image, Bounds(west, east, south, north))


if __name__ == "__main__":
    main()
