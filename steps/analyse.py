"""Count, date and export the craters of a region."""

from collections.abc import Sequence
from dataclasses import replace

import click
import pandas as pd

from lunar_models.config.analyse import AnalyseConfig
from lunar_models.config.columns import parse_columns
from lunar_models.crops.crop_set import READING
from lunar_models.degradation.analysis import analyse
from lunar_models.degradation.area_files import read_area
from lunar_models.degradation.areas import CountingArea, bounds_area
from lunar_models.degradation.mosaic_area import mosaic_area
from lunar_models.degradation.population import read_population
from lunar_models.degradation.tag_columns import tag_names
from lunar_models.errors import AreaError
from lunar_models.labelling.tags import read_tags
from lunar_models.mosaic.raster import Mosaic
from serving.cli.options import config_command
from steps.shared.region import background, choices, headline, log_analysis
from steps.shared.store import prepare
from steps.shared.tracking import log_dataset, log_text, resolve_artifacts, step_run


@config_command(AnalyseConfig)
def main(config: AnalyseConfig) -> None:
    """Count, date and export the craters of a region, by degradation state."""
    config = prepare(config)
    with step_run("analyse", config, name=f"analyse-{config.chronology}"):
        craters, rejected = read_population(
            resolve_artifacts(config.table),
            columns=parse_columns(config.columns),
            catalogue=config.catalogue,
            states=config.states,
            depths=config.depths,
            label_order=config.label_order,
        )
        if config.tags is not None:
            craters = _tagged(craters, config.tags)
        mosaics = _mosaics(config)
        area = counting_area(config, mosaics)
        if len(rejected):
            area = replace(area, notes=(*area.notes, _left_out(rejected, len(craters))))
        analysis = analyse(craters, area, choices(config, mosaics))
        log_analysis(
            analysis,
            background=background(mosaics[0]) if mosaics else None,
            width=config.figure_width,
            vector=config.figure_format,
            sun_side=config.sun_side,
        )
        if len(rejected):
            log_text(rejected.to_csv(index=False), "tables/rejected.csv")
        for line in (*analysis.notes, headline(analysis)):
            click.echo(line)


def counting_area(config: AnalyseConfig, mosaics: Sequence[Mosaic]) -> CountingArea:
    """Intersect the areas of the polygons, the mosaic and the bounds.

    Raises:
        AreaError: none of them is given, or one cannot be used.
    """
    areas = []
    if config.area is not None:
        areas.append(read_area(resolve_artifacts(config.area), crs=config.area_crs))
    if mosaics:
        areas.append(mosaic_area(mosaics))
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


def _tagged(craters: pd.DataFrame, url: str) -> pd.DataFrame:
    """The craters with what people said of them in named tags; other columns of tags go."""
    tags = read_tags(url)
    log_dataset(url, name="tags", digest=tags.digest, context="tags")
    columns = tags.columns(craters["crater_id"])
    return pd.concat([craters.drop(columns=tag_names(craters)), columns], axis=1)


def _left_out(rejected: pd.DataFrame, kept: int) -> str:
    """Rows of the catalogue that are no craters, with the first of them."""
    first = rejected.iloc[0]
    return (
        f"{len(rejected):,} of {kept + len(rejected):,} rows of the catalogue are left out, such "
        f"as crater {first['crater_id']} ({first['reason']}); tables/rejected.csv lists them."
    )


def _mosaics(config: AnalyseConfig) -> list[Mosaic]:
    reading = {name: getattr(config, name) for name in READING}
    return [Mosaic.open(path, **reading) for path in config.mosaic]


if __name__ == "__main__":
    main()
