"""Cut one aligned crop per crater out of a mosaic."""

import json

import click
from tqdm import tqdm

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.bowls import heights_doubt
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.crops.crop_set import REJECTED_FILE, CropSet
from lunar_models.plots.azimuths import azimuth_figure
from lunar_models.plots.crop_checks import (
    alignment_figure,
    check_figure,
    flip_rate_figure,
    quality_figure,
)
from serving.cli.options import config_command
from steps.shared.inputs import digest
from steps.shared.store import prepare
from steps.shared.tracking import (
    log_artifact,
    log_dataset,
    log_figures,
    log_metrics,
    log_output,
    log_text,
    step_run,
)
from steps.shared.waiting import when_free

BAND_DEG = 15.0
"""Width of the longitude bands in which the flip rate is shown."""

_SHOWN_REASONS = 5
_PARTICULAR = r"=[^;]*?(?= (?:is|repeats) )| \(row \d+\)$"
"""Part of a reason that concerns its own row only: ``diameter_km=-1.0 is …(row 6)``."""


@config_command(PreprocessConfig)
def main(config: PreprocessConfig) -> None:
    """Cut one aligned crop per crater out of a mosaic."""
    config = prepare(config)
    with step_run("preprocess", config, name=_run_name(config)):
        with tqdm(unit="crop", disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            crop_set = when_free(lambda: make_crop_set(config, progress=progress))
        log_output("crops", config.output)
        click.echo(_summary(crop_set))
        _log_crop_set(crop_set, config)


def _run_name(config: PreprocessConfig) -> str:
    low, high = config.diameter_min_km, config.diameter_max_km
    sizes = f"{low or 0:g}-{high:g}km" if high else f"from-{low or 0:g}km"
    return f"crops-{sizes}-{config.crop_size_px}px"


def _summary(crop_set: CropSet) -> str:
    """Summarise the number of crops, and why other craters have none."""
    lines = [f"{len(crop_set):,} crops in {crop_set.path}"]
    unknown = int(crop_set.metadata["sun_azimuth_deg"].isna().sum())
    if unknown and crop_set.info.preprocess["illumination"] != "none":
        lines.append(f"{unknown:,} of them stay as they are, because the Sun's azimuth is unknown")
    doubt = heights_doubt(crop_set.crops, crop_set.info.context_diameters)
    if doubt is not None and not crop_set.info.preprocess.get("shade"):
        lines.append(f"warning: {doubt}")
    if len(crop_set.rejected):
        kinds = crop_set.rejected["reason"].str.replace(_PARTICULAR, "", regex=True).value_counts()
        lines.append(f"{len(crop_set.rejected):,} craters left out, listed in {REJECTED_FILE}:")
        lines += [f"  {count:,}: {kind}" for kind, count in kinds.head(_SHOWN_REASONS).items()]
    return "\n".join(lines)


def _log_crop_set(crop_set: CropSet, config: PreprocessConfig) -> None:
    info, metadata = crop_set.info, crop_set.metadata
    for name, paths in (("mosaic", config.mosaic), ("catalogue", (config.catalogue,))):
        for path in paths:
            log_dataset(path, name=name, digest=digest(path), context="input")
    log_dataset(config.output, name="crops", digest=info.digest, context="output")
    log_metrics(
        {
            "crops/count": len(crop_set),
            "crops/rejected": len(crop_set.rejected),
            "crops/flip_rate": metadata["flipped"].mean(),
            "crops/turned_rate": (metadata["rotation_deg"] != 0).mean(),
            "crops/unknown_azimuth_rate": metadata["sun_azimuth_deg"].isna().mean(),
            "crops/illumination_confidence": metadata["illumination_confidence"].mean(),
        }
    )
    splits = metadata["split"].value_counts()
    log_metrics({f"crops/{split}": int(count) for split, count in splits.items()})
    log_text(json.dumps(info.statistics, indent=2), "statistics.json")
    log_artifact(str(crop_set.path / REJECTED_FILE))
    log_figures(
        {
            "figures/crops.png": check_figure(
                crop_set.crops,
                metadata,
                context_diameters=info.context_diameters,
                seed=config.seed,
            ),
            "figures/alignment.png": alignment_figure(crop_set.crops, metadata, seed=config.seed),
            "figures/quality.png": quality_figure(metadata),
            "figures/flip_rate.png": flip_rate_figure(metadata, band_deg=BAND_DEG),
            "figures/azimuth.png": azimuth_figure(metadata, seed=config.seed),
        }
    )


if __name__ == "__main__":
    main()
