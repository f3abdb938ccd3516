"""Embed an existing crop set in shards: runs of crops, each written whole with its digest."""

import hashlib
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from threadpoolctl import threadpool_limits

from lunar_models.config.embed import EmbedConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.pretrained import SCHEME, pretrained_folder
from lunar_models.errors import CropSetError, disk_errors
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
        The Parquet file; one of the same crops and encoder that is there is left as it is.

    Raises:
        LunarModelsError: the crops or the encoder are unusable, another driver is at work, a
            shard failed (finished ones are kept), or the output is something else.
    """
    crop_set = CropSet.open(config.crops)
    output = Path(config.output)
    if output.suffix != ".parquet":
        raise CropSetError(f"output={output} must end in .parquet.")
    work = output.with_name(output.name + ".partial")
    made_of = {"crops": crop_set.info.digest, "encoder": _encoder_digest(encoder)}
    if _is_finished(output, made_of, len(crop_set)):
        shutil.rmtree(work, ignore_errors=True)  # of a run killed at the very end
        return output
    key = " ".join(made_of.values())
    with disk_errors(work):
        work.mkdir(parents=True, exist_ok=True)
    with locked(work, alone=True):
        _check_key(work, key)
        starts = range(0, len(crop_set), SHARD_CROPS)
        files = [_file(work, start) for start in starts]
        for file in files:
            if read_record(file) is not None and find_fault(file, key) is not None:
                record_file(file).unlink()
        tasks = [
            Task(embed_shard, (str(work), key, config.crops, str(encoder), start, config.device))
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
        write_whole(
            output,
            lambda fresh: write_embeddings(fresh, crop_set.metadata, embeddings, said=made_of),
        )
    shutil.rmtree(work)
    return output


def embed_shard(work: str, key: str, crops: str, encoder: str, start: int, device: str) -> Record:
    """Embed `SHARD_CROPS` crops from `start`, unless that is done already; on one thread."""
    file = _file(Path(work), start)
    done = read_record(file)
    if done is not None and done.source == key:
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
    return write_recorded(file, save, rows=len(embeddings), source=key, cpu_seconds=spent)


def _file(work: Path, start: int) -> Path:
    return work / f"{start // SHARD_CROPS:05d}.npy"


def _encoder_digest(encoder: Path) -> str:
    """Sha256 over names and digests of all files of a checkpoint."""
    found = hashlib.sha256()
    for file in sorted(encoder.rglob("*")):
        if file.is_file():
            found.update(f"{file.relative_to(encoder).as_posix()} {digest(file)}\n".encode())
    return found.hexdigest()


def _is_finished(output: Path, made_of: dict[str, str], rows: int) -> bool:
    """Whether the output is there, made of the same.

    Raises:
        CropSetError: it is of something else, damaged, or not made by this function.
    """
    with disk_errors(output):
        if not output.exists():
            return False
    remedy = "delete it or choose another output."
    try:
        found = pq.ParquetFile(output, page_checksum_verification=True)
        said = {k.decode(): v.decode() for k, v in (found.schema_arrow.metadata or {}).items()}
        different = [name for name in made_of if said.get(name) != made_of[name]]
        if not different and found.read().num_rows != rows:
            raise ValueError(f"{found.metadata.num_rows} rows, not {rows}")
    except (OSError, ValueError) as error:
        raise CropSetError(f"{output} is there and damaged ({error}); {remedy}") from error
    if not made_of.keys() <= said.keys():
        raise CropSetError(f"{output} is there and does not say what it was made of; {remedy}")
    if different:
        raise CropSetError(f"{output} was made of another {' and '.join(different)}; {remedy}")
    return True


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
    """Return the checkpoint folder behind pretrained:NAME, a path, an encoder's or a model's URI.

    Raises:
        CheckpointError: there is nothing there.
    """
    if uri.startswith(SCHEME):
        return pretrained_folder(uri)
    folder = Path(uri) if Path(uri).is_dir() else download(uri)
    places = (folder / ENCODER, folder / "artifacts" / "bundle" / ENCODER)
    return next((place for place in places if place.is_dir()), folder)
