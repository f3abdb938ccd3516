"""Exchange labels with Label Studio: its JSON of tasks with annotations.

A task is a crater (``data.crater_id``, ``data.image``); an annotation is a vote, whose choice
``from_name: state`` is its value. The labelling configuration is in docs/labelling.md.

Label Studio gives imported annotations a new id, time and author, and keeps what is inside a result
as it is (1.23). So the vote itself is told in the ``meta`` of its choice.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lunar_models.errors import LabelsError
from lunar_models.labelling.scheme import Scheme
from lunar_models.labelling.votes import MOST_SECONDS, current_votes

_IDENTITY = ("vote_id", "labeller", "value", "kind", "seconds", "blind", "time_utc")
_CHOICE, _NOTE, _IMAGE = "state", "note", "image"


def write(path: Path, votes: pd.DataFrame, scheme: Scheme, image_url: str) -> str:
    """Write the votes that stand as tasks that Label Studio imports."""
    standing = current_votes(votes)
    tasks = [
        {
            "data": {"crater_id": crater, "image": image_url.replace("{crater_id}", str(crater))},
            "annotations": [_annotation(row) for row in rows.to_dict("records")],
        }
        for crater, rows in standing.groupby("crater_id", sort=False)
    ]
    path.write_text(json.dumps(tasks, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return f"{len(standing)} annotations of {len(tasks)} craters"


def read(path: Path, scheme: Scheme, labeller: str) -> Iterator[dict[str, Any]]:
    """Read Label Studio's JSON export; of each annotation its choice and its note.

    Cancelled (skipped) annotations are left out.

    Raises:
        LabelsError: it is not such a file, or a task does not name its crater.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LabelsError(f"{path} cannot be read as Label Studio's JSON ({error}).") from error
    if not isinstance(tasks, list):
        raise LabelsError(f"{path} holds no list of tasks; export from Label Studio as JSON.")
    for k, task in enumerate(tasks, start=1):
        try:
            rows = list(_rows_of(task, labeller))
        except (
            KeyError,
            TypeError,
            AttributeError,
            IndexError,
            ValueError,
            OverflowError,
        ) as error:
            raise LabelsError(
                f"{path}: task {k} is not as expected ({error!r}); tasks need data.crater_id and "
                f"annotations with a choice named {_CHOICE}."
            ) from error
        yield from rows


def _rows_of(task: dict[str, Any], labeller: str) -> Iterator[dict[str, Any]]:
    people: set[str] = set()
    for annotation in task["annotations"]:
        if not annotation.get("was_cancelled"):
            row = _row(annotation, labeller)
            kind = row.pop("kind", None) or ("second" if people - {row["labeller"]} else "ordinary")
            people.add(row["labeller"])
            yield {"crater_id": task["data"]["crater_id"], "kind": kind} | row


def _annotation(row: Mapping[Any, Any]) -> dict[str, Any]:
    choice = _result(_CHOICE, "choices", {"choices": [row["value"]]})
    results = [choice | {"meta": {"lunar_vote": _identity(row)}}]
    if row["note"]:
        results.append(_result(_NOTE, "textarea", {"text": [row["note"]]}))
    return {
        "created_username": row["labeller"],
        "created_at": row["time_utc"].isoformat(),
        "lead_time": row["seconds"],
        "result": results,
    }


def _identity(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What Label Studio would forget of a vote."""
    changed = {"blind": bool(row["blind"]), "time_utc": row["time_utc"].isoformat()}
    return {name: changed.get(name, row[name]) for name in _IDENTITY}


def _result(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": _IMAGE, "type": kind, "value": value}


def _row(annotation: dict[str, Any], labeller: str) -> dict[str, Any]:
    results = annotation["result"]
    choices = [r for r in results if r["from_name"] == _CHOICE]
    if len(choices) != 1 or len(choices[0]["value"]["choices"]) != 1:
        raise KeyError(f"one choice named {_CHOICE}")
    value = choices[0]["value"]["choices"][0]
    notes = [_text(r["value"]["text"]) for r in results if r["from_name"] == _NOTE]
    ours = (choices[0].get("meta") or {}).get("lunar_vote")
    if ours and ours["value"] == value:
        return {name: ours[name] for name in _IDENTITY} | {"note": " ".join(notes)}
    row: dict[str, Any] = {
        "value": value,
        "labeller": _name(annotation) or labeller,
        "seconds": _seconds(annotation),
        "note": " ".join(notes),
    }
    if time := annotation.get("updated_at") or annotation.get("created_at"):
        row["time_utc"] = time
    if annotation.get("unique_id"):
        row["vote_id"] = annotation["unique_id"]
    # Who changed an exported vote has seen it, and speaks for themselves.
    return row | ({"kind": "second", "blind": False} if ours else {})


def _seconds(annotation: dict[str, Any]) -> float:
    """Time spent on an annotation, at most what a vote holds: one may stay open for days."""
    seconds = float(annotation.get("lead_time") or 0.0)
    return min(seconds, MOST_SECONDS) if math.isfinite(seconds) else seconds


def _text(given: str | list[str]) -> str:
    return given if isinstance(given, str) else " ".join(given)


def _name(annotation: dict[str, Any]) -> str:
    """Who made an annotation; Label Studio writes ``name@mail, 1`` or an id, by version."""
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    name = annotation.get("created_username") or by
    if not isinstance(name, str | int | None):
        raise TypeError(f"the annotator {name!r}")
    return "" if name is None else str(name).strip()
