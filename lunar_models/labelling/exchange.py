"""Write labels for others, and take in theirs."""

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from lunar_models.config.label import ExportConfig, ImportConfig
from lunar_models.errors import LabelsError
from lunar_models.labelling import formats, label_studio
from lunar_models.labelling.database import database_url
from lunar_models.labelling.scheme import Scheme, default_scheme, read_scheme
from lunar_models.labelling.store import LabelStore
from lunar_models.labelling.votes import Vote

_NAMESPACE = uuid.UUID("6a2d3a52-0f0a-4a7c-9d0c-6c756e61726c")
_MOST_BYTES = 512 * 2**20


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
    """Append the labels of a file to a store; the same file again adds nothing.

    Returns:
        One sentence on what was added.

    Raises:
        LabelsError: the file cannot be read in this form; nothing is added then.
    """
    source = Path(config.source)
    if source.is_file() and source.stat().st_size > _MOST_BYTES:
        raise LabelsError(f"{source} is over {_MOST_BYTES // 2**20} MiB; split it.")
    scheme = read_scheme(config.scheme) if config.scheme else default_scheme()
    readers = {
        "labels": formats.read_plain,
        "votes": formats.read_votes,
        "degree": formats.read_degree,
        "label_studio": label_studio.read,
    }
    votes = list(_checked(readers[config.form](source, scheme, config.labeller), source, scheme))
    store = LabelStore(config.store)
    store.keep_scheme(scheme)
    if config.form == "label_studio":
        known = store.votes()
        following = dict(zip(known["supersedes"], known["vote_id"], strict=True))
        outcome = Counter(_add_changed(store, vote, following) for vote in votes)
    else:
        outcome = Counter(store.add(vote) for vote in votes)
    return f"{outcome[True]} votes added to {config.store}, {outcome[False]} were there already."


def _add_changed(store: LabelStore, vote: Vote, following: dict[str | None, str]) -> bool:
    """Append a vote that may have been changed under its id: then it supersedes the former.

    Args:
        store: where to.
        vote: as it is now; its time is that of the last change.
        following: the vote that supersedes each one; kept up to date.
    """

    def told(known: Vote) -> tuple[str | None, str]:
        return known.value, known.note

    with store.snapshot() as connection:
        known = store.find(connection, vote.vote_id)
        if known is None:
            return store.add(vote)
        if told(known) == told(vote) and known.time_utc == vote.time_utc:
            return False
        former = vote.vote_id
        while former in following:
            former = following[former]
        newest = store.find(connection, former)
    if newest is None or told(newest) == told(vote):
        return False
    words = "\x1f".join((former, str(vote.value), vote.note, vote.time_utc.isoformat()))
    following[former] = str(uuid.uuid5(_NAMESPACE, words))
    return store.add(vote.model_copy(update={"vote_id": following[former], "supersedes": former}))


def _checked(
    rows: Iterator[dict[str, object]] | list[dict[str, object]], source: Path, scheme: Scheme
) -> Iterator[Vote]:
    """Make votes of rows; those without an id get one that follows from their content."""
    for k, row in enumerate(rows, start=1):
        plain = {"scheme": scheme.name, "scheme_version": scheme.version, "seconds": 0.0} | row
        known = "\x1f".join(f"{name}={plain[name]}" for name in sorted(plain))
        plain.setdefault("vote_id", str(uuid.uuid5(_NAMESPACE, known)))
        try:
            vote = Vote(**plain)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise LabelsError(
                f"{source}: label {k} (crater {plain.get('crater_id')!r}) cannot be used: {where}: "
                f"{first['msg']}."
            ) from error
        if vote.value is not None and vote.value not in scheme.values:
            raise LabelsError(
                f"{source}: crater {vote.crater_id} has the label {vote.value!r}, which scheme "
                f"{scheme.name} has not; it has {', '.join(scheme.values)}. Give --scheme."
            )
        yield vote
