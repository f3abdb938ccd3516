"""Make a crop set: plan, sample every crater strip by strip, assemble and publish.

All work happens in ``<output>.partial``. Each strip of a mosaic leaves a segment there, so a
killed run resumes after the last finished one; the segments become one crop set, and
the folder gets its name in the very end (`assembly.py`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.batches import level_batches, make_sites
from lunar_models.cropping.crop_plan import CropPlan, plan_crops
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.kernels.measures import MEASURES, Brightness
from lunar_models.cropping.kernels.separable import Sites, sample_crops
from lunar_models.cropping.quality import overlap_larger
from lunar_models.cropping.storage.assembly import assemble
from lunar_models.cropping.storage.buffers import ThreadBuffer
from lunar_models.cropping.storage.output_lock import check_output, output_lock
from lunar_models.cropping.storage.work_folder import (
    Segment,
    WorkFolder,
    check_unchanged,
    find_finished,
    source_digests,
)
from lunar_models.cropping.sun.estimation import find_sun
from lunar_models.cropping.sun.side import sun_patterns
from lunar_models.crops.crop_set import CropSet
from lunar_models.errors import disk_errors
from lunar_models.mosaic.highpass import filtered
from lunar_models.mosaic.raster import Mosaic
from lunar_models.mosaic.strips import Strip, plan_strips, stream_strips

Progress = Callable[[int, int], None]
"""Called with the number of crops done and of all crops."""

Sample = Callable[[CropPlan, WorkFolder, Progress, int], None]
"""Samples all segments of a plan that are not finished yet. The last argument is the number of all
sampled crops, among which the craters have their positions."""

_BATCH_BYTES = 1 << 22
_BATCH_CROPS = 256

_buffer = ThreadBuffer()


def make_crop_set(config: PreprocessConfig, *, progress: Progress | None = None) -> CropSet:
    """Cut every crater of a catalogue out of one or several mosaics.

    The crops are ordered by mosaic and strip, so that they are written in one sequential sweep
    (the last ones take the places of dropped ones); `metadata` says which crater each one is.
    Bytes depend neither on `workers` nor on interruptions. A finished set of the same parameters
    and sources is returned as it is.

    Raises:
        CatalogueError: the catalogue is unusable, or none of its craters can be cut out.
        MosaicError: a mosaic is unusable, or cannot be read to its end.
        OutputBusyError: another process makes this output.
        CropSetError: the output holds something else, could not be published, or the disk is full.
    """
    mosaics = open_mosaics(config)
    finished = find_finished(config, mosaics)
    if finished is not None:
        return finished
    check_output(config.output)
    with output_lock(config.output):
        finished = find_finished(config, mosaics)  # by another process, before this one's turn
        return finished if finished is not None else _make(config, mosaics, progress)


def _make(
    config: PreprocessConfig, mosaics: tuple[Mosaic, ...], progress: Progress | None
) -> CropSet:
    with ThreadPoolExecutor(2, "beside") as beside:
        digests = beside.submit(source_digests, config, mosaics)
        plan = plan_crops(config, mosaics)
        work = WorkFolder.prepare(config, mosaics, count=len(plan.craters))
        if work.is_complete:
            return work.publish()
        overlap = beside.submit(overlap_larger, plan.craters, plan.catalogue)
        plan, measures = extract(plan, work, progress or (lambda done, total: None), _sample)
        check_unchanged(work, config, mosaics)
        return assemble(
            work,
            plan,
            measures=measures,
            overlap_larger=overlap.result(),
            sources=digests.result(),
        )


def extract(
    plan: CropPlan, work: WorkFolder, progress: Progress, sample: Sample
) -> tuple[CropPlan, npt.NDArray[np.float32]]:
    """Sample all crops, and those again that must be turned for the Sun that they show.

    Args:
        plan: of all crops.
        work: where they are written.
        progress: called as crops are done.
        sample: returns when all segments of a plan are sampled.

    Returns:
        The plan with the Sun of all crops, and their measures (N, M).
    """
    count = len(plan.craters)
    if not all(map(work.is_sampled, plan.segments)):
        work.forget_from(len(plan.segments))  # upright crops come where turned ones may be
    sample(plan, work, progress, count)
    measures = work.load_measures(plan.segments)
    if plan.knows_sun:
        return plan, measures
    evidence = measures[:, [MEASURES.index(f"sun_evidence_{axis}") for axis in ("east", "north")]]
    plan = plan.with_sun(find_sun(plan.craters, evidence, workers=plan.workers))
    turned = plan.of_turned()
    if turned is not None:
        sample(turned, work, progress, count)
        measures[turned.craters["position"]] = work.load_measures(turned.segments)
    return plan, measures


def _sample(plan: CropPlan, work: WorkFolder, progress: Progress, count: int) -> None:
    total = len(plan.craters)
    open_ = [segment for segment in plan.segments if not work.is_sampled(segment)]
    done = total - sum(segment.count for segment in open_)
    progress(done, total)
    with ThreadPoolExecutor(plan.workers, "sample") as pool:
        for segment in sample_segments(plan, work, pool, open_, count):
            done += segment.count
            progress(done, total)


Claim = Callable[[Segment], AbstractContextManager[bool]]
"""Holds a segment for this process; false where another has it or has finished it."""


def sample_segments(
    plan: CropPlan,
    work: WorkFolder,
    pool: ThreadPoolExecutor,
    segments: Sequence[Segment],
    count: int,
    *,
    claim: Claim = lambda segment: nullcontext(True),
) -> Iterator[Segment]:
    """Sample segments in their order, reading each strip once.

    Args:
        plan: whose segments they are.
        work: where crops and measures are written.
        pool: threads that sample.
        segments: of `plan.segments`, in order.
        count: of all sampled crops.
        claim: decides whether this process samples a segment.

    Yields:
        each segment that was sampled.
    """
    for index, of_mosaic in groupby(segments, key=lambda segment: segment.mosaic):
        mosaic = plan.mosaics[index]
        for segment, strips in _stream(plan, mosaic, list(of_mosaic)):
            with claim(segment) as mine:
                if mine:
                    _sample_segment(plan, work, pool, mosaic, segment, strips, count)
            if mine:
                yield segment


def _stream(plan: CropPlan, mosaic: Mosaic, segments: list[Segment]) -> Any:
    """Yield (segment, its strips)."""
    craters = pd.concat([plan.craters.iloc[s.start : s.stop] for s in segments])
    window = {name: craters[name].to_numpy() for name in ("top", "bottom", "left", "right")}
    strip_plan = plan_strips(
        mosaic, **window, level=craters["level"].to_numpy(), strip_rows=plan.strip_rows
    )
    by_strip = {segment.strip: segment for segment in segments}
    with mosaic.reader(plan.radiometry) as reader:
        rows = filtered(reader, plan.config.highpass_sigma_px)
        for k, strips in stream_strips(mosaic, rows, strip_plan, list(by_strip)):
            yield by_strip[k], strips


def _sample_segment(
    plan: CropPlan,
    work: WorkFolder,
    pool: ThreadPoolExecutor,
    mosaic: Mosaic,
    segment: Segment,
    strips: tuple[Strip, ...],
    count: int,
) -> None:
    """Sample one strip's craters in parallel batches and write them."""
    size = plan.config.crop_size_px
    patterns = sun_patterns(size, plan.config.context_diameters)
    brightness = Brightness(np.float32(plan.radiometry.black_level), np.float32(plan.lit_level))
    craters = plan.craters.iloc[segment.start : segment.stop]
    sites = make_sites(craters)
    level, positions = craters["level"].to_numpy(), craters["position"].to_numpy()
    measures = np.empty((segment.count, len(MEASURES)), np.float32)

    with disk_errors(work.path), open(work.crops.path, "r+b") as file:

        def run(batch: slice) -> None:
            crops = _buffer.array(batch.stop - batch.start, size, size)
            sample_crops(
                strips[level[batch.start]],
                mosaic.projection,
                Sites._make(values[batch] for values in sites),
                patterns,
                brightness,
                crops,
                measures[batch],
            )
            work.crops.write_raw(file.fileno(), positions[batch], crops, count=count)

        batches = level_batches(level, min(_BATCH_CROPS, max(1, _BATCH_BYTES // size**2)))
        futures = [pool.submit(run, batch) for batch in batches]
        wait(futures)  # all of them, also after an error: they write to the open file
        for future in futures:
            future.result()
        if work.shared:
            os.fsync(file.fileno())  # before others sample the turned crops into the same places
        work.mark_sampled(segment, measures)
