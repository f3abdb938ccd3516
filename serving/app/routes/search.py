"""Define the routes of the search by examples: rank the reference set, keep finds as a tag."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Annotated, NamedTuple, Self

import numpy as np
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.labelling.appearance import MOST_LOOKED_AT, appearance, search_features
from lunar_models.labelling.few_shot import MOST_EXAMPLES, Background, ranked
from lunar_models.labelling.tags import TagName, TagStore
from lunar_models.neighbours import NeighbourIndex
from serving.app.looks import note_tag
from serving.app.pages import page_file, refuse_other_sites
from serving.app.problems import Problem
from serving.app.reference import reference, row_of
from serving.app.routes.predict import problems
from serving.app.stores import ask_store
from serving.app.worker_state import WorkerState

router = APIRouter(tags=["search"])

CraterId = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Craters = Annotated[list[CraterId], Field(max_length=MOST_EXAMPLES)]
_MOST_RESULTS = 5_000
_MOST_SAMPLED = 500
_NDJSON = "application/x-ndjson"


class Examples(BaseModel):
    """Craters that are of the kind, and craters that are not."""

    model_config = ConfigDict(extra="forbid")

    positives: Craters
    negatives: Craters = []


class Search(Examples):
    """What to look for, and how many results at most."""

    positives: Craters = Field(min_length=1)
    limit: int = Field(default=200, ge=1, le=_MOST_RESULTS)


class Place(BaseModel):
    """A reference crater."""

    crater_id: str
    longitude_deg: float
    latitude_deg: float
    diameter_km: float


class Found(Place):
    """A line of the answer: a reference crater, the likeliest first."""

    score: float
    """Above 0 more like the positives than unlike them."""


class Tag(BaseModel):
    """A named kind: confirmed and rejected craters, as many as were ever named."""

    name: str
    positives: list[str]
    negatives: list[str]


class Searchable(NamedTuple):
    """What searches of a reference set compare."""

    features: FloatArray
    """(N, F): the embeddings, and the look of the thumbnails where that is quick to compute."""
    background: Background

    @classmethod
    def of(cls, index: NeighbourIndex, context_diameters: float) -> Self:
        """Compute that of a reference set, whose crops are so many diameters wide."""
        features = index.embeddings
        if index.thumbnails is not None and len(index) <= MOST_LOOKED_AT:
            looks = appearance(index.thumbnails, context_diameters=context_diameters)
            features = search_features(index.embeddings, looks)
        return cls(features, Background.of(features))


class _Searchables:
    """That of the model in service, computed at its first search."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index: NeighbourIndex | None = None
        self._searchable: Searchable | None = None

    def of(self, index: NeighbourIndex, context_diameters: float) -> Searchable:
        with self._lock:
            if self._searchable is None or self._index is not index:
                self._index = index
                self._searchable = Searchable.of(index, context_diameters)
            return self._searchable


_searchables = _Searchables()


@router.get("/search", include_in_schema=False)
async def page() -> Response:
    """Return the page."""
    return page_file("search")


@router.get("/v1/search/sample", responses=problems(401, 403, 404, 422, 503))
async def sample(
    request: Request,
    count: Annotated[int, Query(ge=1, le=_MOST_SAMPLED)] = 60,
    seed: Annotated[int, Query(ge=0, lt=2**32)] = 0,
) -> list[Place]:
    """Reference craters drawn at random, to find first examples among them."""
    _, index = reference(request)
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(index), min(count, len(index)), replace=False)
    return [Place(**crater) for crater in index.crater_rows(rows)]


@router.post(
    "/v1/search",
    response_class=StreamingResponse,
    responses={
        200: {"content": {_NDJSON: {"schema": Found.model_json_schema()}}},
        **problems(400, 401, 403, 404, 422, 503, 504),
    },
)
async def search(request: Request, wanted: Search) -> StreamingResponse:
    """Rank the reference craters by their likeness to examples, as JSON lines.

    The first line tells the model, the craters searched and the time of the fit; each other line is
    one crater. The examples are not among them.
    """
    runtime: WorkerState = request.app.state.runtime
    admission = runtime.admit(request)
    served, index = reference(request)
    rows = [[row_of(index, crater) for crater in side]
            for side in (wanted.positives, wanted.negatives)]  # fmt: skip
    if set(rows[0]) & set(rows[1]):
        raise Problem(400, "bad_parameter", "A crater is among positives and negatives.")
    context = served.bundle.checkpoint.context_diameters
    work = asyncio.to_thread(_score, index, context, *rows)
    scores, fit_ms = await admission.until(work)
    head = {"model": served.identity.model_dump(mode="json"), "total": len(index),
            "fit_ms": round(fit_ms, 2)}  # fmt: skip
    marked = np.array([*rows[0], *rows[1]], np.int64)
    lines = _lines(index, scores, marked, head, wanted.limit)
    return StreamingResponse(lines, media_type=_NDJSON)


def _score(
    index: NeighbourIndex, context_diameters: float, positives: list[int], negatives: list[int]
) -> tuple[FloatArray, float]:
    """(N,) scores of the reference set, and the time of the fit in milliseconds."""
    features, background = _searchables.of(index, context_diameters)
    began = time.perf_counter()
    probe = background.fit(features[positives], features[negatives])
    fit_ms = 1000.0 * (time.perf_counter() - began)
    return probe.score(features), fit_ms


def _lines(
    index: NeighbourIndex, scores: FloatArray, marked: IntArray, head: dict[str, object], limit: int
) -> Iterator[bytes]:
    yield json.dumps(head).encode() + b"\n"
    left = limit
    for page in ranked(scores, marked):
        rows = page[:left]
        left -= len(rows)
        craters = zip(index.crater_rows(rows), scores[rows].tolist(), strict=True)
        yield b"".join(
            Found(**crater, score=score).model_dump_json().encode() + b"\n"
            for crater, score in craters
        )
        if not left:
            return


def _store(request: Request) -> TagStore:
    store: TagStore | None = request.app.state.tags
    if store is None:
        detail = "This server keeps no tags; start it with --tags."
        raise Problem(404, "no_tags", detail)
    return store


@router.get("/v1/tags", responses=problems(401, 403, 404, 503))
async def tags(request: Request) -> dict[str, int]:
    """Names of the tags, and how many craters each has."""
    table = await ask_store(_store(request).table)
    return {str(name): int(count) for name, count in table.groupby("name")["member"].sum().items()}


@router.get("/v1/tags/{name}", response_model=Tag, responses=problems(401, 403, 404, 422, 503))
async def tag(request: Request, name: Annotated[TagName, Path()]) -> Tag:
    """Return the craters of a tag, confirmed and rejected."""
    table = await ask_store(_store(request).table)
    own = table[table["name"] == name]
    if own.empty:
        raise Problem(404, "unknown_tag", "There is no tag of this name.")
    await note_tag(request, name, own)
    members, others = own[own["member"]]["crater_id"], own[~own["member"]]["crater_id"]
    return Tag(name=name, positives=sorted(members), negatives=sorted(others))


@router.post(
    "/v1/tags/{name}", response_model=Tag, responses=problems(400, 401, 403, 404, 422, 503)
)
async def save_tag(request: Request, name: Annotated[TagName, Path()], examples: Examples) -> Tag:
    """Add confirmed and rejected craters to a tag; the last word on a crater stands.

    A token needs the scope `label`.
    """
    refuse_other_sites(request)
    store = _store(request)
    served, index = reference(request)
    for crater in (*examples.positives, *examples.negatives):
        row_of(index, crater)
    who = getattr(request.scope.get("caller"), "name", "local")
    model = f"{served.identity.name} {served.identity.version}"
    if set(examples.positives) & set(examples.negatives):
        raise Problem(400, "bad_tag", "A crater is among positives and negatives.")
    add = partial(
        store.add, name, positives=examples.positives, negatives=examples.negatives,
        labeller=who, model=model,
    )  # fmt: skip
    await ask_store(add)
    return await tag(request, name)
