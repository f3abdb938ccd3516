"""Make a crop set: plan, sample every crater strip by strip, then put the crops together.

All work happens in ``<output>.partial``. Each strip of a mosaic leaves a segment there, so a
run that was killed goes on after the last finished one; the segments become one crop set, and
the folder gets its name in the very end (`assembly.py`).
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.assembly import assemble
from lunar_models.catalogue import filter_catalogue, read_catalogue
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.crops import CropSet, Radiometry
from lunar_models.errors import CatalogueError, MosaicError
from lunar_models.illumination import sun_side_template
from lunar_models.mosaic import Mosaic, fit_radiometry
from lunar_models.planning import choose_mosaics, place_crops, strip_rows
from lunar_models.quality import overlap_larger, placement_faults
from lunar_models.strips import Strip, plan_strips, stream_strips
from lunar_models.warp import MEASURES, Sites, sample_crops
from lunar_models.workfolder import Segment, WorkFolder, find_finished, source_digests

Progress = Callable[[int, int], None]
"""Called with the number of crops done and of all crops."""

_BATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class Job:
    """Everything known before the mosaics are read."""

    config: PreprocessConfig
    mosaics: tuple[Mosaic, ...]
    radiometry: Radiometry
    craters: pd.DataFrame
    """The catalogue's columns and those of `planning.choose_mosaics`, in the crops' order."""
    catalogue: pd.DataFrame
    """All valid craters, also those without a crop."""
    rejected: pd.DataFrame
    strip_rows: int

    @property
    def segments(self) -> list[Segment]:
        """One for every strip with craters: their positions among `craters`."""
        keys = self.craters[["mosaic", "strip"]].to_numpy()
        starts = np.flatnonzero(np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)])
        stops = np.r_[starts[1:], len(keys)]
        return [
            Segment(n, int(keys[a, 0]), int(keys[a, 1]), int(a), int(b))
            for n, (a, b) in enumerate(zip(starts, stops, strict=True))
        ]


def make_crop_set(config: PreprocessConfig, *, progress: Progress | None = None) -> CropSet:
    """Cut every crater of a catalogue out of one or several mosaics.

    The crops are ordered by mosaic and strip, so a set is written in one sequential sweep;
    `metadata` says which crater each one is. Bytes depend neither on `workers` nor on
    interruptions. A finished set of the same parameters and sources is returned as it is.

    Raises:
        CatalogueError: the catalogue is unusable, or none of its craters can be cut out.
        MosaicError: a mosaic is unusable, or cannot be read to its end.
        CropSetError: the output holds something else, or the disk is full.
    """
    mosaics = tuple(Mosaic.open(path) for path in config.mosaic)
    finished = find_finished(config, mosaics)
    if finished is not None:
        return finished
    job = plan_job(config, mosaics)
    work = WorkFolder.prepare(config, mosaics)
    with ThreadPoolExecutor(2, "beside") as beside:
        digests = beside.submit(source_digests, config, mosaics)
        overlap = beside.submit(overlap_larger, job.craters, job.catalogue)
        _extract(job, work, progress or (lambda done, total: None))
        return assemble(
            work,
            config,
            craters=job.craters.assign(overlap_larger=overlap.result()),
            rejected=job.rejected,
            segments=job.segments,
            radiometry=job.radiometry,
            sources=digests.result(),
        )


def plan_job(config: PreprocessConfig, mosaics: tuple[Mosaic, ...]) -> Job:
    """Read the catalogue, filter it and find every crater's place in the mosaics."""
    catalogue, invalid = read_catalogue(config.catalogue, columns=config.column_names)
    chosen, filtered = filter_catalogue(
        catalogue,
        diameter_min_km=config.diameter_min_km,
        diameter_max_km=config.diameter_max_km,
        latitude_min_deg=config.latitude_min_deg,
        latitude_max_deg=config.latitude_max_deg,
        longitude_min_deg=config.longitude_min_deg,
        longitude_max_deg=config.longitude_max_deg,
        limit=config.limit,
        seed=config.seed,
    )
    size = {"context_diameters": config.context_diameters, "crop_size_px": config.crop_size_px}
    place = choose_mosaics(mosaics, chosen, **size)
    reason = placement_faults(place, config)
    unplaced = pd.DataFrame({"crater_id": chosen["crater_id"], "reason": reason})[reason != ""]
    craters = pd.concat([chosen, place], axis=1)[reason == ""]
    if craters.empty:
        raise CatalogueError(_nothing_left(config, chosen, filtered, unplaced))
    rows = strip_rows(craters["level"])
    craters = craters.assign(strip=craters["bottom"] // rows)
    craters = craters.sort_values(["mosaic", "strip", "level", "column_px", "crater_id"])
    return Job(
        config=config,
        mosaics=mosaics,
        radiometry=fit_radiometry(mosaics),
        craters=craters.reset_index(drop=True),
        catalogue=catalogue,
        rejected=pd.concat([invalid, filtered, unplaced], ignore_index=True),
        strip_rows=rows,
    )


def _nothing_left(
    config: PreprocessConfig, chosen: pd.DataFrame, filtered: pd.DataFrame, unplaced: pd.DataFrame
) -> str:
    if chosen.empty:
        return (
            f"No crater of {config.catalogue} passes the limits: {filtered['reason'].iloc[0]}. "
            "Widen the diameter, latitude and longitude limits."
        )
    reasons = unplaced["reason"].value_counts()
    return (
        f"None of the {len(chosen)} craters of {config.catalogue} can be cut out of "
        f"{', '.join(config.mosaic)}: {reasons.index[0]} ({reasons.iloc[0]} craters). Check that "
        "the mosaic shows the catalogue's region and has the right reference system."
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
        for k, strips in stream_strips(mosaic, reader, plan, list(by_strip)):
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

    with work.writing(segment, measures) as write:

        def run(batch: slice) -> None:
            crops = np.empty((batch.stop - batch.start, size, size), np.uint8)
            sample_crops(
                strips[level[batch.start]],
                mosaic.projection,
                Sites(*(values[batch] for values in sites)),
                template,
                job.radiometry.black_level,
                crops,
                measures[batch],
            )
            write(batch.start, crops)

        for _ in pool.map(run, _batches(level, max(1, _BATCH_BYTES // size**2))):
            pass


def make_sites(craters: pd.DataFrame) -> Sites:
    """The kernel's view of rows from `planning.place_crops`."""
    return Sites(*(np.ascontiguousarray(craters[name].to_numpy()) for name in Sites._fields))


def _batches(level: npt.NDArray[np.int64], length: int) -> list[slice]:
    """Cut positions into runs of one level, at most `length` long."""
    edges = np.flatnonzero(np.diff(level)) + 1
    bounds = [0, *edges.tolist(), len(level)]
    return [
        slice(start, min(start + length, stop))
        for begin, stop in zip(bounds, bounds[1:], strict=False)
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
    rows = strip_rows(place["level"])
    plan = plan_strips(mosaic, **window, strip_rows=rows)
    strip = int(place["bottom"].iloc[0]) // rows
    crops = np.empty((1, crop_size_px, crop_size_px), np.uint8)
    with mosaic.reader(radiometry) as reader:
        for _, strips in stream_strips(mosaic, reader, plan, [strip]):
            sample_crops(
                strips[-1],
                mosaic.projection,
                make_sites(place),
                sun_side_template(crop_size_px, context_diameters),
                radiometry.black_level,
                crops,
                np.empty((1, len(MEASURES)), np.float32),
            )
    return crops[0]
