"""Sample the crops of a plan piece by piece, without keeping them.

A *unit* is the smallest piece of work: at most `unit_crops` craters of one strip. Units are cut
in the same way whichever of them are asked for, so that results that are computed unit by unit
do not depend on how the units are shared out.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.cropping.batches import level_batches, make_sites
from lunar_models.cropping.crop_plan import CropPlan
from lunar_models.cropping.kernels.measures import MEASURES, Brightness
from lunar_models.cropping.kernels.separable import Sites, sample_crops
from lunar_models.cropping.storage.work_folder import Segment
from lunar_models.cropping.sun.side import sun_patterns
from lunar_models.mosaic.highpass import filtered
from lunar_models.mosaic.strips import Strip, plan_strips, stream_strips

_UNIT_CROPS = 1024
_UNIT_BYTES = 1 << 26


def unit_crops(crop_size_px: int) -> int:
    """Return the most crops of a unit: 1024, fewer where they would take more than 64 MiB."""
    return max(1, min(_UNIT_CROPS, _UNIT_BYTES // crop_size_px**2))


def cut_units(segments: Sequence[Segment], most: int) -> list[Segment]:
    """Cut segments into units.

    Args:
        segments: in order.
        most: crops of a unit, see `unit_crops`.
    """
    spans = [
        (segment, start, min(start + most, segment.stop))
        for segment in segments
        for start in range(segment.start, segment.stop, most)
    ]
    return [Segment(n, s.mosaic, s.strip, start, stop) for n, (s, start, stop) in enumerate(spans)]


def stream_crops(
    plan: CropPlan, units: Sequence[Segment]
) -> Iterator[tuple[Segment, npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    """Sample units one after the other, reading each strip once.

    Args:
        plan: where the units' craters lie.
        units: of `cut_units`, in order.

    Yields:
        a unit, its crops (n, S, S) uint8, turned but not mirrored, and their `MEASURES` (n, M)
        float32.

    Raises:
        MosaicError: a mosaic cannot be read.
    """
    for index, of_mosaic in groupby(units, key=lambda unit: unit.mosaic):
        yield from _stream_mosaic(plan, index, list(of_mosaic))


def _stream_mosaic(
    plan: CropPlan, index: int, units: list[Segment]
) -> Iterator[tuple[Segment, npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    mosaic = plan.mosaics[index]
    craters = pd.concat([plan.craters.iloc[u.start : u.stop] for u in units])
    window = {name: craters[name].to_numpy() for name in ("top", "bottom", "left", "right")}
    strip_plan = plan_strips(
        mosaic, **window, level=craters["level"].to_numpy(), strip_rows=plan.strip_rows
    )
    by_strip = {k: list(group) for k, group in groupby(units, key=lambda unit: unit.strip)}
    with mosaic.reader(plan.radiometry) as reader:
        rows = filtered(reader, plan.config.highpass_sigma_px)
        for k, strips in stream_strips(mosaic, rows, strip_plan, list(by_strip)):
            for unit in by_strip[k]:
                yield unit, *_sample(plan, unit, strips)


def _sample(
    plan: CropPlan, unit: Segment, strips: tuple[Strip, ...]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    size = plan.config.crop_size_px
    patterns = sun_patterns(size, plan.config.context_diameters)
    brightness = Brightness(np.float32(plan.radiometry.black_level), np.float32(plan.lit_level))
    craters = plan.craters.iloc[unit.start : unit.stop]
    sites, level = make_sites(craters), craters["level"].to_numpy()
    crops = np.empty((unit.count, size, size), np.uint8)
    measures = np.empty((unit.count, len(MEASURES)), np.float32)
    for batch in level_batches(level, unit.count):
        sample_crops(
            strips[level[batch.start]],
            plan.mosaics[unit.mosaic].projection,
            Sites._make(values[batch] for values in sites),
            patterns,
            brightness,
            crops[batch],
            measures[batch],
        )
    return crops, measures
