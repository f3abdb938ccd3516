"""Make a crop set: plan, sample every crater strip by strip, then put the crops together.

All work happens in ``<output>.partial``. Each strip of a mosaic leaves a segment there, so a
run that was killed goes on after the last finished one; the segments become one crop set, and
the folder gets its name in the very end (`assembly.py`).
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.assembly import assemble
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.crop_measures import MEASURES
from lunar_models.crops import CropSet, Radiometry
from lunar_models.errors import MosaicError
from lunar_models.highpass import filtered
from lunar_models.illumination import sun_side_template
from lunar_models.job import Job, plan_job
from lunar_models.mosaic import Mosaic, fit_radiometry
from lunar_models.planning import place_crops, strip_rows
from lunar_models.quality import overlap_larger
from lunar_models.scratch import Scratch
from lunar_models.strips import Strip, plan_strips, stream_strips
from lunar_models.warp import Sites, sample_crops
from lunar_models.workfolder import (
    Segment,
    WorkFolder,
    check_unchanged,
    disk_errors,
    find_finished,
    source_digests,
)

Progress = Callable[[int, int], None]
"""Called with the number of crops done and of all crops."""

_BATCH_BYTES = 1 << 22
_BATCH_CROPS = 256

_scratch = Scratch()


def make_crop_set(config: PreprocessConfig, *, progress: Progress | None = None) -> CropSet:
    """Cut every crater of a catalogue out of one or several mosaics.

    The crops are ordered by mosaic and strip, so that they are written in one sequential sweep
    (the last ones take the places of dropped ones); `metadata` says which crater each one is.
    Bytes depend neither on `workers` nor on interruptions. A finished set of the same parameters
    and sources is returned as it is.

    Raises:
        CatalogueError: the catalogue is unusable, or none of its craters can be cut out.
        MosaicError: a mosaic is unusable, or cannot be read to its end.
        CropSetError: the output holds something else, or the disk is full.
    """
    mosaics = tuple(Mosaic.open(path) for path in config.mosaic)
    finished = find_finished(config, mosaics)
    if finished is not None:
        return finished
    with ThreadPoolExecutor(2, "beside") as beside:
        digests = beside.submit(source_digests, config, mosaics)
        job = plan_job(config, mosaics)
        work = WorkFolder.prepare(config, mosaics, count=len(job.craters))
        if work.is_complete:
            return work.publish()
        overlap = beside.submit(overlap_larger, job.craters, job.catalogue)
        _extract(job, work, progress or (lambda done, total: None))
        check_unchanged(work, config, mosaics)
        return assemble(
            work,
            config,
            craters=job.craters.assign(overlap_larger=overlap.result()),
            rejected=job.rejected,
            segments=job.segments,
            radiometry=job.radiometry,
            sources=digests.result(),
        )


def _extract(job: Job, work: WorkFolder, progress: Progress) -> None:
    """Sample all segments that are not finished yet."""
    segments = job.segments
    done = sum(segment.count for segment in segments if work.is_sampled(segment))
    progress(done, len(job.craters))
    workers = job.config.workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers, "sample") as pool:
        for index, mosaic in enumerate(job.mosaics):
            open_ = [s for s in segments if s.mosaic == index and not work.is_sampled(s)]
            if not open_:
                continue
            for segment, strips in _stream(job, mosaic, open_):
                _sample_segment(job, work, pool, mosaic, segment, strips)
                done += segment.count
                progress(done, len(job.craters))


def _stream(job: Job, mosaic: Mosaic, segments: list[Segment]) -> Any:
    """Yield (segment, its strips)."""
    craters = pd.concat([job.craters.iloc[s.start : s.stop] for s in segments])
    window = {name: craters[name].to_numpy() for name in ("top", "bottom", "left", "right")}
    plan = plan_strips(
        mosaic, **window, level=craters["level"].to_numpy(), strip_rows=job.strip_rows
    )
    by_strip = {segment.strip: segment for segment in segments}
    with mosaic.reader(job.radiometry) as reader:
        rows = filtered(reader, job.config.highpass_sigma_px)
        for k, strips in stream_strips(mosaic, rows, plan, list(by_strip)):
            yield by_strip[k], strips


def _sample_segment(
    job: Job,
    work: WorkFolder,
    pool: ThreadPoolExecutor,
    mosaic: Mosaic,
    segment: Segment,
    strips: tuple[Strip, ...],
) -> None:
    """Sample one strip's craters in parallel batches and write them."""
    size = job.config.crop_size_px
    template = sun_side_template(size, job.config.context_diameters)
    craters = job.craters.iloc[segment.start : segment.stop]
    sites = make_sites(craters)
    level = craters["level"].to_numpy()
    measures = np.empty((segment.count, len(MEASURES)), np.float32)

    with disk_errors(work.path), open(work.crops.path, "r+b") as file:

        def run(batch: slice) -> None:
            crops = _scratch.array(batch.stop - batch.start, size, size)
            sample_crops(
                strips[level[batch.start]],
                mosaic.projection,
                Sites._make(values[batch] for values in sites),
                template,
                job.radiometry.black_level,
                crops,
                measures[batch],
            )
            work.crops.write_raw(
                file.fileno(), segment.start + batch.start, crops, count=len(job.craters)
            )

        batches = _batches(level, min(_BATCH_CROPS, max(1, _BATCH_BYTES // size**2)))
        futures = [pool.submit(run, batch) for batch in batches]
        wait(futures)  # all of them, also after an error: they write to the open file
        for future in futures:
            future.result()
        work.mark_sampled(segment, measures)


def make_sites(craters: pd.DataFrame) -> Sites:
    """The kernel's view of catalogue rows joined with those of `planning.place_crops`."""
    return Sites(
        longitude=np.radians(craters["longitude_deg"].to_numpy()),
        latitude=np.radians(craters["latitude_deg"].to_numpy()),
        half_side=craters["half_side"].to_numpy().copy(),
        column_px=craters["column_px"].to_numpy().copy(),
        separable=craters["separable"].to_numpy().copy(),
    )


def _batches(level: npt.NDArray[np.int64], length: int) -> list[slice]:
    """Cut positions into runs of one level, at most `length` long."""
    edges = np.flatnonzero(np.diff(level)) + 1
    bounds = [0, *edges.tolist(), len(level)]
    return [
        slice(start, min(start + length, stop))
        for begin, stop in pairwise(bounds)
        for start in range(begin, stop, length)
    ]


def extract_crop(
    mosaic: Mosaic | str | Path,
    *,
    longitude_deg: float,
    latitude_deg: float,
    diameter_km: float,
    context_diameters: float = 1.5,
    crop_size_px: int = 64,
    radiometry: Radiometry | None = None,
    highpass_sigma_px: float | None = None,
) -> npt.NDArray[np.uint8]:
    """Cut out a single crop, exactly as a crop set would hold it before alignment.

    Args:
        mosaic: an open mosaic or its path.
        longitude_deg: east positive, any turn.
        latitude_deg: in [-90, 90].
        diameter_km: of the crater.
        context_diameters: crop side / crater diameter.
        crop_size_px: S.
        radiometry: of the crop set; by default fitted on the mosaic.
        highpass_sigma_px: of the crop set.

    Returns:
        (S, S) uint8, row 0 north, column 0 west; pixels without data hold the others' mean.

    Raises:
        MosaicError: the mosaic is unusable, or does not show the place.
    """
    mosaic = mosaic if isinstance(mosaic, Mosaic) else Mosaic.open(mosaic)
    radiometry = radiometry or fit_radiometry((mosaic,))
    crater = pd.DataFrame(
        {
            "longitude_deg": [longitude_deg],
            "latitude_deg": [latitude_deg],
            "diameter_km": [diameter_km],
        },
        dtype=np.float64,
    )
    place = place_crops(
        mosaic, crater, context_diameters=context_diameters, crop_size_px=crop_size_px
    )
    if place["coverage"].iloc[0] == 0.0:
        raise MosaicError(
            f"Longitude {longitude_deg}, latitude {latitude_deg} lies outside {mosaic.path}."
        )
    window = {name: place[name].to_numpy() for name in ("top", "bottom", "left", "right", "level")}
    height = strip_rows(place["level"])
    plan = plan_strips(mosaic, **window, strip_rows=height)
    strip = int(place["bottom"].iloc[0]) // height
    crops = np.empty((1, crop_size_px, crop_size_px), np.uint8)
    with mosaic.reader(radiometry) as reader:
        rows = filtered(reader, highpass_sigma_px)
        for _, strips in stream_strips(mosaic, rows, plan, [strip]):
            sample_crops(
                strips[-1],
                mosaic.projection,
                make_sites(crater.join(place)),
                sun_side_template(crop_size_px, context_diameters),
                radiometry.black_level,
                crops,
                np.empty((1, len(MEASURES)), np.float32),
            )
    crop: npt.NDArray[np.uint8] = crops[0]
    return crop
