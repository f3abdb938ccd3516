"""Write labels for others, and take in theirs."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from lunar_models.config.label import ExportConfig, ImportConfig
from lunar_models.errors import LabelsError
from lunar_models.labelling import formats, label_studio
from lunar_models.labelling.database import database_url
from lunar_models.labelling.intake import NAMESPACE, Intake
from lunar_models.labelling.scheme import Scheme, default_scheme, read_scheme
from lunar_models.labelling.store import LabelStore
from lunar_models.labelling.votes import Vote

_MOST_BYTES = 512 * 2**20
_REMEDIES = {
    "timezone_aware": "; write the zone of every time, such as 2026-01-02T03:04:05Z for UTC",
}
"""What to do, by the kind of pydantic's error."""


def export_labels(config: ExportConfig) -> str:
    """Write the labels of a store to a file.

    Returns:
        One sentence on what was written and what was left out.

    Raises:
        LabelsError: there is no such store, it has no votes of this scheme, or the file cannot be
            written.
    """
    store = _open_existing(config.store)
    votes = store.votes()
    votes = votes[votes["scheme"] == config.scheme].reset_index(drop=True)
    versions = [version for name, version in store.schemes() if name == config.scheme]
    if votes.empty or not versions:
        names = ", ".join(sorted({name for name, _ in store.schemes()})) or "none"
        raise LabelsError(
            f"{config.store} has no votes of scheme {config.scheme}; its schemes are {names}."
        )
    scheme = store.schemes()[config.scheme, max(versions)]
    output = Path(config.output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        return f"{_write(config, store, votes, scheme)} in {output}."
    except OSError as error:
        raise LabelsError(f"output={output} cannot be written ({error.strerror}).") from error


def _open_existing(url: str) -> LabelStore:
    """Open a store that is there: a mistyped name makes no new one."""
    address = database_url("store", url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise LabelsError(f"store={url} does not exist; give the store of lunar-label.")
    return LabelStore(url)


def _write(config: ExportConfig, store: LabelStore, votes: pd.DataFrame, scheme: Scheme) -> str:
    output = Path(config.output)
    match config.form:
        case "labels":
            return formats.write_labels(output, votes, scheme)
        case "votes":
            return formats.write_votes(output, votes)
        case "degree":
            return formats.write_degree(output, votes, scheme)
        case "label_studio":
            return label_studio.write(output, votes, scheme, config.image_url)
        case "looks":
            return formats.write_looks(output, store.looks())


def import_labels(config: ImportConfig) -> str:
    """Append the labels of a file to a store, all or none; the same file again adds nothing.

    Returns:
        One sentence on what was added.

    Raises:
        LabelsError: the file cannot be read in this form, or the store refuses one of its votes;
            nothing is added then.
    """
    source = Path(config.source)
    if not source.exists():
        raise LabelsError(f"source={source} does not exist; give the file to import.")
    if source.is_dir() and config.form != "labels":
        raise LabelsError(f"source={source} is a folder; give a file of the form {config.form}.")
    if source.is_file() and source.stat().st_size > _MOST_BYTES:
        raise LabelsError(f"{source} is over {_MOST_BYTES // 2**20} MiB; split it.")
    scheme = read_scheme(config.scheme) if config.scheme else default_scheme()
    readers = {
        "labels": formats.read_plain,
        "votes": formats.read_votes,
        "degree": formats.read_degree,
        "label_studio": label_studio.read,
    }
    given = list(_checked(readers[config.form](source, scheme, config.labeller), source, scheme))
    store = LabelStore(config.store)
    known = {*store.schemes(), (scheme.name, scheme.version)}
    for vote, _ in given:
        if (vote.scheme, vote.scheme_version) not in known:
            raise LabelsError(
                f"{source}: crater {vote.crater_id} was labelled by version {vote.scheme_version} "
                f"of scheme {vote.scheme}, which {config.store} does not have; give that file as "
                "--scheme."
            )
    with store.exclusive() as connection:
        store.append_scheme(connection, scheme)
        intake = Intake(store, connection, changes=config.form == "label_studio")
        outcome = intake.take_all(given)
    return f"{outcome[True]} votes added to {config.store}, {outcome[False]} were there already."


def _checked(
    rows: Iterator[dict[str, object]] | list[dict[str, object]], source: Path, scheme: Scheme
) -> Iterator[tuple[Vote, bool]]:
    """Make votes of rows, and say whether each came with a time.

    Those without an id get one that follows from their content; the time of those without one is
    when the file was last changed, which is no content.
    """
    changed = datetime.fromtimestamp(source.stat().st_mtime, UTC)
    for k, row in enumerate(rows, start=1):
        plain = {"scheme": scheme.name, "scheme_version": scheme.version, "seconds": 0.0} | row
        known = "\x1f".join(f"{name}={plain[name]}" for name in sorted(plain))
        plain.setdefault("vote_id", str(uuid.uuid5(NAMESPACE, known)))
        dated = "time_utc" in plain
        plain.setdefault("time_utc", changed)
        try:
            vote = Vote(**plain)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise LabelsError(
                f"{source}: label {k} (crater {plain.get('crater_id')!r}) cannot be used: {where}: "
                f"{first['msg']}{_REMEDIES.get(first['type'], '')}."
            ) from error
        if vote.value is not None and vote.value not in scheme.values:
            raise LabelsError(
                f"{source}: crater {vote.crater_id} has the label {vote.value!r}, which scheme "
                f"{scheme.name} has not; it has {', '.join(scheme.values)}. Give --scheme."
            )
        yield vote, dated
