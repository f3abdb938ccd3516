"""Embed an existing crop set in shards: runs of crops, each written whole with its digest."""

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from lunar_models.config.embed import EmbedConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import CropSetError
from lunar_models.export.tables import write_embeddings
from serving.batch.driver import make_engine
from serving.batch.engines import Task
from serving.batch.files import (
    Record,
    digest,
    find_fault,
    locked,
    read_record,
    record_file,
    write_recorded,
    write_whole,
)
from serving.batch.model import download
from serving.model.bundle import ENCODER

SHARD_CROPS = 16_384
"""A multiple of the batch size, so that batches are the same in any number of shards."""
_KEY_FILE = "key.txt"


def embed_crop_set(
    config: EmbedConfig, encoder: Path, *, report: Callable[[int, int], object] = lambda n, of: None
) -> Path:
    """Embed all crops and write them as Parquet: crater_id and a list of float32, in their order.

    Args:
        config: parameters.
        encoder: checkpoint folder.
        report: called with the number of crops done and of all.

    Returns:
        The Parquet file.

    Raises:
        LunarModelsError: the crops or the encoder are unusable, another driver is at work, or a
            shard failed; finished shards are kept.
    """
    crop_set = CropSet.open(config.crops)
    output = Path(config.output)
    if output.suffix != ".parquet":
        raise CropSetError(f"output={output} must end in .parquet.")
    work = output.with_name(output.name + ".partial")
    work.mkdir(parents=True, exist_ok=True)
    with locked(work, alone=True):
        _check_key(work, f"{crop_set.info.digest} {_encoder_digest(encoder)}")
        starts = range(0, len(crop_set), SHARD_CROPS)
        files = [_file(work, start) for start in starts]
        for file in files:
            if read_record(file) is not None and find_fault(file) is not None:
                record_file(file).unlink()
        tasks = [
            Task(embed_shard, (str(work), config.crops, str(encoder), start, config.device))
            for start in starts
        ]
        done = 0
        with closing(make_engine(config)) as engine:
            for ended in engine.run(tasks):
                if ended.error is not None:
                    raise ended.error
                done += ended.result.rows
                report(done, len(crop_set))
        embeddings = np.concatenate([np.load(file, allow_pickle=False) for file in files])
        write_whole(output, lambda fresh: write_embeddings(fresh, crop_set.metadata, embeddings))
    shutil.rmtree(work)
    return output


def embed_shard(work: str, crops: str, encoder: str, start: int, device: str) -> Record:
    """Embed `SHARD_CROPS` crops from `start`, unless that is done already; on one thread."""
    file = _file(Path(work), start)
    done = read_record(file)
    if done is not None:
        return done
    begun = time.process_time()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            part = CropSet.open(crops).crops[start : start + SHARD_CROPS]
            embeddings = embed_crops(Checkpoint.load(encoder), np.array(part), device=device)
    finally:
        torch.set_num_threads(threads)

    def save(path: Path) -> None:
        with path.open("wb") as stream:
            np.save(stream, embeddings, allow_pickle=False)

    spent = time.process_time() - begun
    return write_recorded(file, save, rows=len(embeddings), cpu_seconds=spent)


def _file(work: Path, start: int) -> Path:
    return work / f"{start // SHARD_CROPS:05d}.npy"


def _encoder_digest(encoder: Path) -> str:
    return " ".join(digest(file) for file in sorted(encoder.rglob("*")) if file.is_file())


def _check_key(work: Path, key: str) -> None:
    file = work / _KEY_FILE
    if not file.exists():
        write_whole(file, lambda fresh: fresh.write_text(key))
    elif file.read_text() != key:
        raise CropSetError(
            f"{work} holds unfinished work with other crops or another encoder; delete that folder "
            "or choose another output."
        )


def find_checkpoint(uri: str) -> Path:
    """Return the checkpoint folder behind a path, an encoder's URI, or a service model's.

    Raises:
        CheckpointError: there is nothing there.
    """
    folder = Path(uri) if Path(uri).is_dir() else download(uri)
    places = (folder / ENCODER, folder / "artifacts" / "bundle" / ENCODER)
    return next((place for place in places if place.is_dir()), folder)
