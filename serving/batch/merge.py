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
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lunar_models.catalogue.geoparquet import PointsWriter, find_bounds
from lunar_models.catalogue.tiles import write_tiles
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.storage.work_folder import disk_errors, source_digests
from lunar_models.errors import CropSetError
from lunar_models.labelling.tags import TagSet
from serving.batch import columns
from serving.batch.files import find_fault, read_record, record_file, sync
from serving.batch.job import REJECTED_FILE, Job
from serving.batch.planning import check_unchanged
from serving.batch.release import Credit, describe_release
from serving.batch.release_folder import (
    CRATERS_FILE,
    EMBEDDINGS_FILE,
    METADATA_FILE,
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
    require_shards(job)
    check_unchanged(job)
    output = Path(job.crops.output)
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


def forget_damaged(job: Job) -> None:
    """Remove what is recorded as finished but is not whole, so that it is made anew."""
    if not job.knows_sun:
        measured = [job.file("measure", n) for n in range(len(job.spans("measure")))]
        _forget_damaged([*measured, job.aligned_file])
    _forget_damaged(_files(job))


def _forget_damaged(files: list[Path]) -> None:
    for file in files:
        if record_file(file).exists() and find_fault(file) is not None:
            record_file(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)


def _files(job: Job) -> list[Path]:
    """Of all classified shards; none before the Sun is found."""
    count = len(job.spans("classify")) if job.aligned_file.is_file() else 0
    return [job.file("classify", n) for n in range(count)]


def require_shards(job: Job) -> None:
    """Make sure that every shard is there, whole, and has the rows it should.

    Raises:
        CropSetError: names every shard for which that does not hold.
    """
    files = _files(job)
    if not files:
        raise CropSetError(f"{job.folder} has no classified shard yet; run classify first.")
    bad = {n: fault for n, file in enumerate(files) if (fault := find_fault(file)) is not None}
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
