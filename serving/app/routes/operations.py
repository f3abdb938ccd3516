"""Define the routes for operators (health, metrics, model), and the page."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import FileResponse, JSONResponse, Response

from serving.app import metrics
from serving.app.pages import PAGE
from serving.app.worker_state import WorkerState
from serving.model.schema import ModelAnswer

router = APIRouter(tags=["operations"])


class Ready(BaseModel):
    """Whether requests can be answered, by which model, and what is amiss."""

    ready: bool
    model: ModelAnswer | None
    newest_version: str | None
    load_problem: str | None
    registry_problem: str | None
    loads: int


class ModelDescription(BaseModel):
    """What the model in service can do."""

    model: ModelAnswer
    encoder: str
    crop_size_px: int
    context_diameters: float
    embedding_dim: int
    states: list[str] | None
    clusters: int | None
    reference_craters: int | None
    release_craters: int | None
    mosaic: bool
    reading: dict[str, Any]
    """Those of band, crs and shade by which the mosaic of the training crops was read."""


@router.get("/", include_in_schema=False)
async def page() -> Response:
    """Return the page."""
    return FileResponse(PAGE / "index.html")


@router.get("/ready", response_model=Ready, responses={503: {"model": Ready}})
async def ready(request: Request) -> Response:
    """Tell whether to send requests here: 503 until a model is loaded, and while shutting down."""
    runtime: WorkerState = request.app.state.runtime
    holder = runtime.holder
    able = holder.current is not None and not runtime.draining
    content = Ready(
        ready=able,
        model=holder.current.identity if holder.current else None,
        newest_version=holder.pointer.newest or holder.pointer.version,
        load_problem=holder.load_problem or holder.pointer.refused,
        registry_problem=holder.pointer.problem,
        loads=holder.swaps,
    )
    return JSONResponse(content.model_dump(), 200 if able else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def prometheus() -> Response:
    """Series of all workers in Prometheus' text format."""
    return Response(metrics.exposition(), headers={"content-type": metrics.CONTENT_TYPE})


@router.get("/v1/model")
async def model(request: Request) -> ModelDescription:
    """Return what the model in service can do."""
    runtime: WorkerState = request.app.state.runtime
    served = runtime.served()
    bundle: Any = served.bundle
    encoder = bundle.checkpoint.encoder
    return ModelDescription(
        model=served.identity,
        encoder=encoder.name,
        crop_size_px=encoder.crop_size_px,
        context_diameters=bundle.checkpoint.context_diameters,
        embedding_dim=encoder.embedding_dim,
        states=list(bundle.head.states) if bundle.head else None,
        clusters=bundle.clusters.n_clusters if bundle.clusters else None,
        reference_craters=len(bundle.neighbours) if bundle.neighbours else None,
        release_craters=len(runtime.release) if runtime.release else None,
        mosaic=runtime.locator is not None,
        reading=bundle.checkpoint.reading,
    )
