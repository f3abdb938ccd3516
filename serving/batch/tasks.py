"""Process one shard; every engine calls the same function.

Where the Sun is not given, all shards are measured first: where it stands is decided by
neighbours, which may lie in any other shard. Then crops are sampled a second time, turned,
mirrored and classified; that costs less than keeping them.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from threadpoolctl import threadpool_limits

from lunar_models.cropping.kernels.measures import MEASURES
from lunar_models.cropping.quality import crop_faults
from lunar_models.cropping.storage.assembly import describe_crops
from lunar_models.cropping.storage.crops_file import mirror
from lunar_models.cropping.streaming import stream_crops
from lunar_models.cropping.sun.estimation import find_sun
from lunar_models.errors import CheckpointError
from serving.batch.answers import Answerer, load_answerer
from serving.batch.arrow import give_memory_back, write_rows
from serving.batch.files import Record, read_record, write_recorded
from serving.batch.job import Job
from serving.batch.progress import Stage

_EVIDENCE = [MEASURES.index(f"sun_evidence_{axis}") for axis in ("east", "north")]


def run_task(folder: str, plan: str, stage: Stage, shard: int, device: str = "cpu") -> Record:
    """Do one stage of one shard, unless it is done already.

    One thread computes, so that the bits do not depend on the machine's number of cores.

    Args:
        folder: the work folder.
        plan: digest of the plan by which the work was begun.
        stage: of the job.
        shard: its number.
        device: where the encoder computes.

    Raises:
        LunarModelsError: a mosaic cannot be read, the disk is full, the model is damaged, or the
            folder holds another plan by now.
    """
    job = Job.open(Path(folder), plan)
    file = job.file(stage, shard)
    done = read_record(file)
    if done is not None and done.source == job.source(stage) and file.is_file():
        return done
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            if stage == "measure":
                return _measure(job, shard)
            return _classify(job, shard, device)
    finally:
        torch.set_num_threads(threads)
        give_memory_back()


def _measure(job: Job, shard: int) -> Record:
    started = time.process_time()
    measures = np.concatenate([found for _, _, found in stream_crops(*job.shard("measure", shard))])
    return write_recorded(
        job.file("measure", shard),
        _saving(measures),
        rows=len(measures),
        source=job.source("measure"),
        cpu_seconds=time.process_time() - started,
    )


def _saving(values: npt.NDArray[Any]) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        with path.open("wb") as file:  # np.save would add a suffix to a name
            np.save(file, values, allow_pickle=False)

    return save


def align(job: Job) -> None:
    """Find the Sun for all craters together, once all shards are measured."""
    started = time.process_time()
    files = [job.file("measure", n) for n in range(len(job.spans("measure")))]
    evidence = np.concatenate([np.load(f, allow_pickle=False)[:, _EVIDENCE] for f in files])
    plan = job.crop_plan()
    aligned = plan.with_sun(find_sun(plan.craters, evidence)).turned_in_place().craters
    write_recorded(
        job.aligned_file,
        lambda fresh: write_rows(fresh, aligned),
        rows=len(aligned),
        source=job.digest,
        cpu_seconds=time.process_time() - started,
    )


def _load_model(job: Job, device: str) -> Answerer:
    try:
        return load_answerer(job.model_folder, device)
    except CheckpointError:
        job.check_whole()  # of a damaged copy the registry knows nothing
        raise


def _classify(job: Job, shard: int, device: str) -> Record:
    started = time.process_time()
    answerer = _load_model(job, device)
    tables: list[pa.Table] = [answerer.empty]
    rejected: list[list[str]] = []
    plan, units = job.shard("classify", shard)
    for unit, crops, measures in stream_crops(plan, units):
        craters = plan.craters.iloc[unit.start : unit.stop].reset_index(drop=True)
        metadata = describe_crops(craters, measures, crop_size_px=crops.shape[1])
        fault = crop_faults(metadata, job.crops)
        kept = (fault == "").to_numpy()
        dropped = zip(craters["crater_id"][~kept], fault[~kept], strict=True)
        rejected += [[str(name), reason] for name, reason in dropped]
        if kept.any():
            crops, metadata = crops[kept], metadata[kept]
            mirror(crops, metadata["flipped"].to_numpy())
            table, refused = answerer.answer(crops, metadata)
            tables.append(table)
            rejected += refused
    whole = pa.concat_tables(tables).combine_chunks()
    return write_recorded(
        job.file("classify", shard),
        lambda fresh: pq.write_table(whole, fresh),
        rows=len(whole),
        source=job.source("classify"),
        cpu_seconds=time.process_time() - started,
        rejected=rejected,
    )
