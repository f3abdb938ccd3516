"""Describe a release so that it can be cited, checked and read without this project."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import lunar_models
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.storage.work_folder import resolved_settings, source_digests
from lunar_models.errors import CropSetError
from lunar_models.labelling.tags import TagSet
from lunar_models.moon import LUNAR_GEOGRAPHIC
from serving.batch import columns
from serving.batch.files import digest
from serving.batch.job import Job
from serving.batch.model import Model
from serving.batch.release_folder import (
    CRATERS_FILE,
    EMBEDDINGS_FILE,
    REJECTED_FILE,
    SCHEMA_VERSION,
    TILES_FILE,
    check_files,
    open_release,
)


@dataclass(frozen=True)
class Credit:
    """Say how a release is cited."""

    title: str | None = None
    creators: tuple[str, ...] = ()
    licence: str | None = None
    citation: str | None = None


def describe_release(
    job: Job,
    folder: Path,
    schema: pa.Schema,
    *,
    credit: Credit,
    tags: TagSet | None,
    rejected: pd.DataFrame,
    sources: dict[str, str],
) -> dict[str, Any]:
    """Describe the tables in `folder`.

    `titles`, `creators`, `types` and `rightsList` are those of DataCite 4.5, `ssys:targets` is
    that of STAC's Solar System extension. Nothing in it depends on when, where and in how many
    shards the job ran.

    Args:
        job: whose shards are merged.
        folder: with the finished tables.
        schema: of the craters, as `columns.schema` makes it.
        credit: how to cite.
        tags: whose columns are among them.
        rejected: craters that are left out.
        sources: sha256 of each input file, by its path.
    """
    model = job.plan["model"]
    embedding = pq.read_schema(folder / EMBEDDINGS_FILE).field(columns.EMBEDDING).type
    title = credit.title or f"Degradation of the craters of {Path(job.crops.catalogue).name}"
    return {
        "schema_version": SCHEMA_VERSION,
        "titles": [{"title": title}],
        "creators": [{"name": name} for name in credit.creators],
        "rightsList": [{"rights": credit.licence}] if credit.licence else [],
        "types": {"resourceTypeGeneral": "Dataset"},
        "citation": credit.citation or _citation(title, credit, model),
        "ssys:targets": ["Moon"],
        "crs": LUNAR_GEOGRAPHIC,
        "software": {"name": "lunar-models", "version": lunar_models.__version__},
        "model": model,
        "sources": [{"name": Path(p).name, "sha256": sha} for p, sha in sources.items()],
        "parameters": resolved_settings(job.crops),
        "tags": None if tags is None else {"sha256": tags.digest},
        "counts": {
            "craters": pq.ParquetFile(folder / CRATERS_FILE).metadata.num_rows,
            "rejected": len(rejected),
            "rejected_by_reason": count_reasons(rejected),
        },
        "row_order": "by mosaic, then by strips of rows from top to bottom",
        "columns": columns.describe(schema),
        "embedding": {"dtype": "float16", "length": embedding.list_size},
        "files": {
            name: {"sha256": digest(folder / name), "bytes": (folder / name).stat().st_size}
            for name in (CRATERS_FILE, EMBEDDINGS_FILE, TILES_FILE, REJECTED_FILE)
        },
    }


def _citation(title: str, credit: Credit, model: dict[str, Any]) -> str:
    who = f"{', '.join(credit.creators)}. " if credit.creators else ""
    name = model["name"] and f"{model['name']} version {model['version']}"
    return (
        f"{who}{title}. Made with Lunar Models {lunar_models.__version__}, model "
        f"{name or model['digest'][:12]}."
    )


def count_reasons(rejected: pd.DataFrame) -> dict[str, int]:
    """Count the craters left out by reason, most frequent first."""
    kinds = rejected["reason"].str.replace(_PARTICULAR, "", regex=True).value_counts()
    return {str(kind): int(count) for kind, count in sorted(kinds.items(), key=_by_count)}


def _by_count(pair: tuple[Any, int]) -> tuple[int, str]:
    return -pair[1], str(pair[0])


_PARTICULAR = r"=[^;]*?(?= (?:is|repeats) )| \(row \d+\)$"
"""What a reason says of its own row only: ``diameter_km=-1.0 is …(row 6)``."""


def find_finished(
    crops: PreprocessConfig, model: Model, tags: TagSet | None, credit: Credit
) -> dict[str, Any] | None:
    """Return what the release at the output says if it was made of the same; None without any.

    Raises:
        CropSetError: it was made of something else or is cited otherwise, or its files are not
            what was published.
    """
    output = Path(crops.output)
    found = open_release(output)
    if found is None:
        return None
    mosaics = open_mosaics(crops)
    here, wanted = found["parameters"], resolved_settings(crops)
    different = [name for name in wanted if here.get(name) != wanted[name]]
    different += ["model"] if found["model"]["digest"] != model.digest else []
    said = None if tags is None else {"sha256": tags.digest}
    different += ["tags"] if found.get("tags") != said else []
    if not different:
        digests = sorted(source["sha256"] for source in found["sources"])
        different += ["file"] if digests != sorted(source_digests(crops, mosaics).values()) else []
    if different:
        raise CropSetError(
            f"{output} was made with another {', '.join(different)}. Delete it or choose another "
            "output."
        )
    check_files(output, found)
    _check_credit(output, found, credit)
    return found


def _check_credit(output: Path, found: dict[str, Any], credit: Credit) -> None:
    """Refuse to keep a release silently that is cited otherwise than asked for now."""
    published = {
        "title": [each["title"] for each in found["titles"]],
        "creators": [each["name"] for each in found["creators"]],
        "licence": [each["rights"] for each in found["rightsList"]],
        "citation": [found["citation"]],
    }
    asked = {
        "title": [credit.title] if credit.title else None,
        "creators": list(credit.creators) or None,
        "licence": [credit.licence] if credit.licence else None,
        "citation": [credit.citation] if credit.citation else None,
    }
    different = [name for name in asked if asked[name] not in (None, published[name])]
    if different:
        was = "; ".join(f"{name}: {', '.join(published[name]) or 'none'}" for name in different)
        raise CropSetError(
            f"{output} is published with another {', '.join(different)} ({was}). Leave out "
            f"{', '.join(different)} to keep it so, delete it, or choose another output."
        )
