"""Define the routes of the page /label: the next craters, and the answers."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import FileResponse, Response

from lunar_models.crops.display import COMMON_STRETCH_NOTE, STRETCH_NOTE
from lunar_models.errors import LabelsError, LabelStoreError, TaskError
from lunar_models.labelling.votes import Vote
from serving.app.labelling import Labelling, labelling_of
from serving.app.looks import known_answers
from serving.app.pages import PAGE, page_file, refuse_other_sites
from serving.app.problems import Problem
from serving.app.stores import ask_store
from serving.app.tokens import Caller

router = APIRouter(tags=["label"])

CraterId = Annotated[str, Path(min_length=1, max_length=100)]
_MOST_TASKS = 200
_MOST_VOTES = 50
_JSON = "application/json"


class Answer(BaseModel):
    """A vote as the page sends it; labeller, scheme and lighting are known to the server."""

    model_config = ConfigDict(extra="forbid")

    vote_id: str = Field(max_length=40)
    task_id: str = Field(max_length=40)
    crater_id: str = Field(min_length=1, max_length=100)
    value: str | None = Field(max_length=60)
    scheme_version: int
    time_utc: str = Field(max_length=40)
    seconds: float
    blind: bool = True
    note: str = ""
    supersedes: str | None = None


class Answers(BaseModel):
    """Some votes, in the order in which they were given."""

    model_config = ConfigDict(extra="forbid")

    votes: list[Answer] = Field(min_length=1, max_length=_MOST_VOTES)


class Receipt(BaseModel):
    """What became of a vote: `refused` ones were not stored, and say why."""

    vote_id: str
    outcome: Literal["stored", "known", "refused"]
    reason: str = ""
    status: int = 200
    """As HTTP has it: 403 the task was not given to this person, 404 no such crater, 422 another
    reason."""


class Receipts(BaseModel):
    """One for each vote, in order; everything stored is on disk."""

    receipts: list[Receipt]


EXTRA_SCHEMAS = (Answers,)
"""Named in the description of the body, which FastAPI does not read itself."""
_SCHEMA = {"$ref": f"#/components/schemas/{Answers.__name__}"}
_BODY = {"requestBody": {"content": {_JSON: {"schema": _SCHEMA}}}}


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["caller"]
    return caller


def _decides(caller: Caller) -> bool:
    """Whether the caller decides between differing labels."""
    return "adjudicate" in caller.scopes


@router.get("/label", include_in_schema=False)
async def page() -> Response:
    """Return the page."""
    return page_file("label")


@router.get("/label/worker.js", include_in_schema=False)
async def service_worker() -> Response:
    """Return the service worker, which opens the page without a network."""
    headers = {"service-worker-allowed": "/label", "cache-control": "no-cache"}
    file = PAGE / "label" / "worker.js"
    return FileResponse(file, headers=headers, media_type="text/javascript")


@router.get("/v1/label/setup")
async def setup(request: Request) -> dict[str, Any]:
    """Return the scheme, who is asking, and how pictures are made."""
    labelling, caller = labelling_of(request), _caller(request)
    info = labelling.crop_set.info
    return {
        "labeller": caller.name,
        "decides": _decides(caller),
        "scheme": labelling.scheme.model_dump(),
        "stretch": STRETCH_NOTE,
        "stretch_alike": COMMON_STRETCH_NOTE,
        "context_diameters": info.context_diameters,
        "crop_size_px": info.crop_size_px,
        "surroundings": labelling.surroundings is not None,
        "guesses": bool(labelling.guesses),
        "edition": labelling.edition,
    }


@router.get("/v1/label/tasks")
async def tasks(
    request: Request, count: Annotated[int, Query(ge=1, le=_MOST_TASKS)] = 1
) -> dict[str, Any]:
    """Return the next craters of the caller, the same until they are answered."""
    labelling, caller = labelling_of(request), _caller(request)

    def find() -> dict[str, Any]:
        assignment = labelling.assignment
        decides = _decides(caller)
        found = assignment.tasks(caller.name, count, decides=decides)
        return {
            "tasks": [
                asdict(task)
                | labelling.facts(task.crater_id)
                | {
                    "examples": labelling.examples(task.crater_id),
                    "decision": assignment.is_decision(caller.name, task),
                }
                for task in found
            ],
            "progress": asdict(assignment.progress(caller.name, decides=decides)),
        }

    return await ask_store(find)


@router.post("/v1/label/votes", openapi_extra=_BODY)
async def votes(request: Request) -> Receipts:
    """Store votes. Sent again after a lost reply, each is stored once.

    Where none is taken in, that is a problem with the status of the first; its `receipts` tell of
    each.
    """
    labelling, caller = labelling_of(request), _caller(request)
    answers = await _read_answers(request)

    def store() -> Receipts:
        return Receipts(receipts=[_cast(labelling, caller, answer) for answer in answers.votes])

    told = await ask_store(store)
    if all(receipt.outcome == "refused" for receipt in told.receipts):
        first, receipts = told.receipts[0], [receipt.model_dump() for receipt in told.receipts]
        raise Problem(first.status, "votes_refused", first.reason, more={"receipts": receipts})
    return told


@router.get("/v1/label/after/{crater_id:path}")
async def after(request: Request, crater_id: CraterId, others: bool = True) -> dict[str, Any]:
    """What a model, a known answer and others say: only to who has answered for good.

    What is shown is put on record. With `others=false` it is the known answer alone.
    """
    labelling, caller = labelling_of(request), _caller(request)

    def look() -> dict[str, Any]:
        known = known_answers(labelling, caller.name, crater_id, guess=others)
        found = labelling.assignment.others(caller.name, crater_id, known, labels=others)
        if found is None:
            detail = (
                "Others' answers are shown when yours stands; those on some craters, drawn at "
                "random, only later."
            )
            raise Problem(403, "answer_first", detail)
        said = {look.shown: look.value for look in known}
        return {
            "crater_id": crater_id,
            "expected": said.get("known answer"),
            "guess": said.get("guess"),
            "others": [
                {"labeller": name, "value": vote.value, "note": vote.note}
                for name, vote in found.items()
            ],
        }

    return await ask_store(look)


async def _read_answers(request: Request) -> Answers:
    """Read the body; other sites' pages can send neither this type nor from elsewhere."""
    refuse_other_sites(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise Problem(415, "media_type", f"Send votes as {_JSON}.")
    try:
        return Answers.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise Problem(422, "bad_parameter", f"'{where}': {first['msg']}.") from error


def _cast(labelling: Labelling, caller: Caller, answer: Answer) -> Receipt:
    fields = answer.model_dump(exclude={"task_id"})
    try:
        facts = labelling.facts(answer.crater_id)
        vote = Vote(
            **fields,
            labeller=caller.name,
            scheme=labelling.scheme.name,
            sun_azimuth_deg=facts["sun_azimuth_deg"],
            rotation_deg=facts["rotation_deg"],
            mirrored=facts["mirrored"],
        )
        if vote.scheme_version > labelling.scheme.version:
            raise LabelsError(f"Version {vote.scheme_version} of the scheme is not known here.")
        new = labelling.assignment.cast(vote, answer.task_id, decides=_decides(caller))
    except LabelStoreError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(str(part) for part in first['loc']) or 'vote'}: {first['msg']}"
        return _refused(answer, 422, reason)
    except TaskError as error:
        return _refused(answer, 403, str(error))
    except LabelsError as error:
        return _refused(answer, 422, str(error))
    except KeyError:
        return _refused(answer, 404, "There is no such crater.")
    return Receipt(vote_id=answer.vote_id, outcome="stored" if new else "known")


def _refused(answer: Answer, status: int, reason: str) -> Receipt:
    return Receipt(vote_id=answer.vote_id, outcome="refused", reason=reason, status=status)
