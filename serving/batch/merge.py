"""Check all shards and publish them as one release folder.

craters.parquet      GeoParquet in `LUNAR_GEOGRAPHIC`, one row per crater
embeddings.parquet   crater_id and embedding, a list of float16, in the same order
tiles.arrow          what a map draws of each crater, by tiles (`lunar_models.catalogue.tiles`)
rejected.csv         crater_id and reason of every row of the catalogue without an answer
metadata.json        schema version, columns, digests, sources, model, citation
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lunar_models.catalogue.geoparquet import PointsWriter, find_bounds
from lunar_models.catalogue.tiles import write_tiles
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.storage.work_folder import source_digests
from lunar_models.errors import CropSetError, disk_errors
from lunar_models.labelling.tags import TagSet
from serving.batch import columns
from serving.batch.files import find_fault, read_record, record_file, sync
from serving.batch.job import SHARDS, Job
from serving.batch.planning import check_unchanged
from serving.batch.progress import Stage
from serving.batch.release import Credit, describe_release
from serving.batch.release_folder import (
    CRATERS_FILE,
    EMBEDDINGS_FILE,
    METADATA_FILE,
    REJECTED_FILE,
    TILES_FILE,
)

_FRESH = "release.new"
_GROUP_ROWS = 65_536
"""Rows of a row group: where shards end must not show."""


def merge(job: Job, credit: Credit, tags: TagSet | None) -> Path:
    """Check counts and digests of all shards, then publish the release.

    Args:
        job: all of its shards are classified.
        credit: how the release is cited.
        tags: what people said of craters, as further columns.

    Returns:
        The release folder.

    Raises:
        CropSetError: a shard is missing or damaged, a source changed, or the disk is full.
    """
    check_unchanged(job)
    if job.is_aligned and (fault := forget_aligned(job)) is not None:
        raise CropSetError(
            f"{job.folder}: {fault}. It, and what was classified with it, is made anew when "
            "classify is run again with the same parameters."
        )
    require_shards(job)
    output = job.output
    fresh = job.folder / _FRESH
    shutil.rmtree(fresh, ignore_errors=True)
    with disk_errors(job.folder):
        fresh.mkdir()
        rejected = _rejected(job)
        rejected.to_csv(fresh / REJECTED_FILE, index=False)
        schema = _write_tables(job, fresh, tags)
        drawn = [name for name in columns.DRAWN if name in schema.names]
        write_tiles(fresh / TILES_FILE, pq.read_table(fresh / CRATERS_FILE, columns=drawn))
        mosaics = open_mosaics(job.crops)
        said = describe_release(
            job,
            fresh,
            schema,
            credit=credit,
            tags=tags,
            rejected=rejected,
            sources=source_digests(job.crops, mosaics),
        )
        (fresh / METADATA_FILE).write_text(json.dumps(said, indent=2) + "\n")
        for file in fresh.iterdir():
            sync(file)
        os.replace(fresh, output)
        sync(output.parent)
    shutil.rmtree(job.folder)
    return output


def forget_damaged(job: Job, stage: Stage, shards: Sequence[int]) -> list[int]:
    """Remove those of some shards that are recorded as finished but are not whole.

    Returns:
        All of them that are not finished now.
    """
    source, unfinished = job.source(stage), []
    for n in shards:
        file = job.file(stage, n)
        if find_fault(file, source) is not None:
            unfinished.append(n)
            _forget(file)
    return unfinished


def forget_aligned(job: Job) -> str | None:
    """Remove the table of the Sun if it is damaged, and the shards that may have read it.

    Returns:
        What is wrong with it; None where nothing is, or the Sun is given.
    """
    if job.knows_sun:
        return None
    fault = find_fault(job.aligned_file, job.digest)
    if fault is not None:
        for file in (*(job.folder / SHARDS).glob("[0-9]*.parquet"), job.aligned_file):
            _forget(file)
    return fault


def _forget(file: Path) -> None:
    """Remove a file with its record; one without may be somebody's who is about to write it."""
    if record_file(file).exists():
        record_file(file).unlink(missing_ok=True)
        file.unlink(missing_ok=True)


def _files(job: Job) -> list[Path]:
    """Of all classified shards."""
    return [job.file("classify", n) for n in range(len(job.spans("classify")))]


def require_shards(job: Job) -> None:
    """Make sure that every shard is there, whole, and has the rows it should.

    Raises:
        CropSetError: names every shard for which that does not hold.
    """
    if not job.is_aligned:
        raise CropSetError(f"{job.folder} has no classified shard yet; run classify first.")
    files, source = _files(job), job.source("classify")
    faults = {n: find_fault(file, source) for n, file in enumerate(files)}
    bad = {n: fault for n, fault in faults.items() if fault is not None}
    for n, (start, stop) in enumerate(job.spans("classify")):
        record = read_record(files[n]) if n not in bad else None
        if record is not None and record.rows + len(record.rejected) != stop - start:
            bad[n] = f"{files[n].name} tells of {record.rows} craters, not of {stop - start}"
    if bad:
        shown = "; ".join(f"shard {n}: {bad[n]}" for n in sorted(bad)[:5])
        more = f", and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise CropSetError(
            f"{len(bad)} of {len(files)} shards of {job.folder} cannot be merged: {shown}{more}. "
            "Run classify again with the same parameters: it makes them anew and keeps the others."
        )


def _rejected(job: Job) -> pd.DataFrame:
    """Every crater without an answer: by the plan, by its crop's quality, by the encoder."""
    records = (read_record(file) for file in _files(job))
    refused = [pair for record in records if record is not None for pair in record.rejected]
    without = pd.DataFrame(refused, columns=["crater_id", "reason"], dtype=str)
    return pd.concat([job.rejected(), without], ignore_index=True)


def _write_tables(job: Job, folder: Path, tags: TagSet | None) -> pa.Schema:
    """Write both tables in one pass over the shards; returns the columns of craters."""
    schema = pq.read_schema(_files(job)[0])
    kept = schema.remove(schema.get_field_index(columns.EMBEDDING)).remove_metadata()
    said = [] if tags is None else [columns.tag_field(name) for name in tags.names]
    kept = pa.schema([*kept, *said])
    pair = pa.schema([schema.field("crater_id"), schema.field(columns.EMBEDDING)])
    with (
        PointsWriter(folder / CRATERS_FILE, kept, bounds=_bounds(job)) as craters,
        pq.ParquetWriter(folder / EMBEDDINGS_FILE, pair, use_dictionary=False) as embeddings,
    ):
        for table in _groups(job):
            if tags is not None:
                table = _with_tags(table, tags)
            craters.write(table.select(kept.names))
            embeddings.write_table(table.select(pair.names))
    return kept


def _with_tags(table: pa.Table, tags: TagSet) -> pa.Table:
    found = tags.columns(table["crater_id"].to_pandas())
    for name in tags.names:
        table = table.append_column(name, pa.array(found[name], pa.bool_()))
    return table


def _groups(job: Job) -> Iterator[pa.Table]:
    """All rows in pieces of `_GROUP_ROWS`, whatever the shards."""
    held: list[pa.Table] = []
    count = 0
    for file in _files(job):
        held.append(pq.read_table(file, partitioning=None))
        count += len(held[-1])
        while count >= _GROUP_ROWS:
            whole = pa.concat_tables(held)
            yield whole.slice(0, _GROUP_ROWS).combine_chunks()
            held, count = [whole.slice(_GROUP_ROWS)], count - _GROUP_ROWS
    if count:
        yield pa.concat_tables(held).combine_chunks()


def _bounds(job: Job) -> tuple[float, float, float, float] | None:
    names = ["longitude_deg", "latitude_deg"]
    places = [pq.read_table(file, columns=names, partitioning=None) for file in _files(job)]
    return find_bounds(pa.concat_tables(places).to_pandas())
