"""Define the routes of the button on /label that fits the head on the labels."""

import asyncio

from fastapi import APIRouter, Request

from serving.app.labelling import labelling_of
from serving.app.pages import refuse_other_sites
from serving.app.problems import Problem
from serving.app.relabelling import RelabelAnswer

router = APIRouter(tags=["label"])


@router.get("/v1/label/relabel")
async def status(request: Request) -> RelabelAnswer:
    """Whether the step runs, and what it said last."""
    _require_decider(request)
    return await asyncio.to_thread(labelling_of(request).relabelling.status)


@router.post("/v1/label/relabel")
async def start(request: Request) -> RelabelAnswer:
    """Fit the head on the labels so far and register a challenger, or tell the command."""
    refuse_other_sites(request)
    _require_decider(request)
    return await asyncio.to_thread(labelling_of(request).relabelling.start)


def _require_decider(request: Request) -> None:
    if "adjudicate" not in request.scope["caller"].scopes:
        raise Problem(403, "forbidden", "The token lacks the scope 'adjudicate'.")
