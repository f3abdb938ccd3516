"""Define the routes that look into the reference set: craters, clusters, similar ones."""

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.neighbours import NeighbourIndex
from serving.app.problems import Problem
from serving.app.reference import reference, row_of
from serving.app.routes.predict import (
    BODY,
    FAULTS,
    Diameter,
    Latitude,
    Located,
    Longitude,
    Predictions,
    TopK,
    answer_images,
    locate_and_predict,
    problems,
)
from serving.app.served import Served
from serving.app.worker_state import WorkerState
from serving.model.classify import answer_embeddings, fill_scores
from serving.model.domain import note_domain
from serving.model.physics import fill_physics
from serving.model.reference_set import PHYSICS_COLUMNS, SCORE_COLUMNS
from serving.model.schema import CropAnswer, ModelAnswer, Options, SimilarCrater

router = APIRouter(tags=["catalogue"])

READ_FAULTS = problems(401, 403, 404, 422, 503)


class Similar(BaseModel):
    """Reference craters that look like a given one."""

    crater_id: str
    similar: list[SimilarCrater]
    model: ModelAnswer


class Cluster(BaseModel):
    """The most typical members of a cluster."""

    cluster_id: int
    count: int
    craters: list[SimilarCrater]


def describe_row(served: Served, row: int, options: Options) -> CropAnswer:
    """Tell what the model says about a reference crater, which is not among its similar ones."""
    index = served.bundle.neighbours
    assert index is not None
    wider = options.model_copy(update={"top_k": options.top_k + 1 if options.top_k else 0})
    embedding = np.array(index.embeddings[row : row + 1])
    (answer,) = answer_embeddings(served.bundle, embedding, model=served.identity, options=wider)
    if set(SCORE_COLUMNS) <= set(index.craters):
        fill_scores(index.craters[list(SCORE_COLUMNS)].iloc[[row]].to_numpy(), [answer])
    crater = index.crater(row)
    residuals = served.bundle.checkpoint.encoder.residual_table()
    if residuals is not None and set(PHYSICS_COLUMNS) <= set(index.craters):
        known = index.craters[list(PHYSICS_COLUMNS)].iloc[[row]].to_numpy().reshape(1, 2, 2)
        fill_physics(
            PhysicalPrediction.of(known, residuals),
            [crater["diameter_km"]],
            [answer],
            served.bundle.checkpoint.interval_levels,
        )
    note_domain(served.bundle, {"diameter_km": crater["diameter_km"]}, answer)
    itself = crater["crater_id"]
    answer.similar = [s for s in answer.similar if s.crater_id != itself][: options.top_k]
    return answer


@router.get(
    "/v1/similar",
    responses={200: {"model": Similar | Located}, **problems(400, 401, 403, 404, 422, 503, 504)},
)
async def similar(
    request: Request,
    crater_id: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    longitude_deg: Longitude | None = None,
    latitude_deg: Latitude | None = None,
    diameter_km: Diameter | None = None,
    top_k: TopK = 10,
) -> Any:
    """Craters like one of the catalogue, or like the one at a place.

    With a mosaic and a diameter the place is cut out of the mosaic; otherwise it names the
    reference crater that holds it.
    """
    served, index = reference(request)
    options = Options(top_k=top_k, return_embedding=False)
    if crater_id is not None:
        row = row_of(index, crater_id)
    elif longitude_deg is None or latitude_deg is None:
        raise Problem(400, "bad_parameter", "Give crater_id, or longitude_deg and latitude_deg.")
    elif request.app.state.runtime.locator is not None and diameter_km is not None:
        return await locate_and_predict(
            request.app.state.runtime, request, options,
            longitude_deg=longitude_deg, latitude_deg=latitude_deg, diameter_km=diameter_km,
        )  # fmt: skip
    else:
        row = await asyncio.to_thread(
            _row_at, index, longitude_deg=longitude_deg, latitude_deg=latitude_deg,
            diameter_km=diameter_km,
        )  # fmt: skip
    answer = await asyncio.to_thread(describe_row, served, row, options)
    return Similar(
        crater_id=index.crater(row)["crater_id"], similar=answer.similar, model=served.identity
    )


def _row_at(index: NeighbourIndex, **place: Any) -> int:
    row = index.row_at(**place)
    if row is None:
        raise Problem(404, "unknown_place", "No reference crater contains this position.")
    return row


@router.post("/v1/similar", response_model=Predictions, responses=FAULTS, openapi_extra=BODY)
async def similar_to_images(request: Request) -> Response:
    """Like /v1/classify; `params.top_k` says how many similar craters are named."""
    runtime: WorkerState = request.app.state.runtime
    return await answer_images(runtime, request)


@router.get("/v1/clusters/{cluster_id}", response_model=Cluster, responses=READ_FAULTS)
async def cluster(
    request: Request,
    cluster_id: Annotated[int, Path(ge=-1, le=1_000_000)],
    top_k: TopK = 12,
) -> Cluster:
    """Return the members nearest to the middle of a cluster."""
    _, index = reference(request)
    if "cluster_id" not in index.craters:
        raise Problem(404, "no_clusters", "This model was registered without clusters.")
    members = np.flatnonzero(index.craters["cluster_id"].to_numpy() == cluster_id)
    if not members.size:
        raise Problem(404, "unknown_cluster", "The reference set has no crater in this cluster.")
    distances = index.craters["cluster_distance"].to_numpy()[members]
    best = np.argsort(distances, kind="stable")[:top_k]
    craters = [
        SimilarCrater(**index.crater(int(members[i])), distance=float(distances[i])) for i in best
    ]
    return Cluster(cluster_id=cluster_id, count=len(members), craters=craters)
