"""Define the routes that classify and embed images, or craters at requested coordinates."""

import base64
import io
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.routing import APIRoute
from PIL import Image
from pydantic import BaseModel
from starlette.responses import Response

from serving.app.bodies import (
    RAW_TYPES,
    Predict,
    Question,
    read_json_question,
    read_question,
)
from serving.app.problems import MEDIA_TYPE, Problem
from serving.app.worker_state import WorkerState, encode_predictions
from serving.model.preparation import CropForm, prepare_cut
from serving.model.schema import (
    MAX_TOP_K,
    CropAnswer,
    ItemError,
    ModelAnswer,
    Options,
    QualityWarning,
)

router = APIRouter(tags=["predict"])
MAX_DIAMETER_KM = 300.0
"""Larger craters would read too much of a mosaic for one request."""

Longitude = Annotated[float, Query(ge=-180, le=360, description="Degrees, east positive.")]
Latitude = Annotated[float, Query(ge=-90, le=90, description="Degrees.")]
Diameter = Annotated[float, Query(gt=0.01, le=MAX_DIAMETER_KM, description="Kilometres.")]
TopK = Annotated[int, Query(ge=0, le=MAX_TOP_K)]

EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAwAAAAMCAAAAABzHgM7AAAAPElEQVR42mPMY0AAJgZ0jhzXt0cwjhEDAwPDOQjH"
    "DaJmFzY9uDi7ICw3iMw5BqiRLAwMDAyPGLjkMPQAAHOgB5KBdQH1AAAAAElFTkSuQmCC"
)
"""A 12 px bowl lit from the east."""


class Predictions(BaseModel):
    """One answer per image, in order."""

    predictions: list[CropAnswer]


class Embedding(BaseModel):
    """The embedding of one image, or its error."""

    embedding: list[float] | None = None
    sun_side: str | None = None
    warnings: list[QualityWarning] = []
    model: ModelAnswer
    error: ItemError | None = None


class Embeddings(BaseModel):
    """One embedding per image, in order."""

    predictions: list[Embedding]


class ProblemReply(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the problem replies of a route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemReply"}}}
    return {status: {"description": "Problem", "content": content} for status in statuses}


_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "properties": {"image": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }
}
_JSON = {
    "schema": {"$ref": "#/components/schemas/Predict"},
    "example": {"inputs": [{"image": EXAMPLE_IMAGE}], "params": {"top_k": 3}},
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": _JSON,
            "multipart/form-data": _FORM,
            **dict.fromkeys(RAW_TYPES, _IMAGE),
        },
    }
}
MLFLOW_BODY = {"requestBody": {"required": True, "content": {"application/json": _JSON}}}
FAULTS = problems(400, 401, 403, 408, 413, 415, 422, 503, 504)


@router.post(
    "/invocations", response_model=Predictions, responses=FAULTS, openapi_extra=MLFLOW_BODY
)
async def invocations(request: Request) -> Response:
    """Answer as MLflow's own scoring server does at this path."""
    runtime: WorkerState = request.app.state.runtime
    return await answer_images(runtime, request, read=read_json_question)


@router.post("/v1/classify", response_model=Predictions, responses=FAULTS, openapi_extra=BODY)
async def classify(request: Request) -> Response:
    """Predict state, degradation, cluster, novelty and similar craters of each image."""
    runtime: WorkerState = request.app.state.runtime
    return await answer_images(runtime, request)


@router.post("/v1/embed", response_model=Embeddings, responses=FAULTS, openapi_extra=BODY)
async def embed(request: Request) -> Response:
    """Embed each image."""
    runtime: WorkerState = request.app.state.runtime
    return await answer_images(runtime, request, encode=_encode_embeddings, embed_only=True)


async def answer_images(
    runtime: WorkerState,
    request: Request,
    *,
    read: Callable[..., Awaitable[Question]] = read_question,
    **how: Any,
) -> Response:
    """Answer a request whose body holds images.

    Args:
        runtime: the worker's.
        request: not yet read.
        read: reads its crops: `read_question` or `read_json_question`.
        how: handed to `WorkerState.answer`.

    Raises:
        Problem: whatever is wrong with the request; 503 and 504.
    """
    admission = runtime.admit(request)

    async def work() -> Response:
        question = await read(request, max_items=runtime.config.max_items)
        return await runtime.answer(admission, question, **how)

    return await admission.until(work())


def _encode_embeddings(answers: list[CropAnswer]) -> bytes:
    fields = set(Embedding.model_fields)
    return (
        b'{"predictions":['
        + b",".join(answer.model_dump_json(include=fields).encode() for answer in answers)
        + b"]}"
    )


class Located(BaseModel):
    """The crop of the mosaic at a position, and its prediction."""

    prediction: CropAnswer
    image: str


@router.get(
    "/v1/locate", response_model=Located, responses=problems(400, 401, 403, 404, 422, 503, 504)
)
async def locate(
    request: Request,
    longitude_deg: Longitude,
    latitude_deg: Latitude,
    diameter_km: Diameter,
    top_k: TopK = 5,
    return_embedding: bool = False,
) -> Response:
    """Cut a crater out of the mosaic and classify it; `image` is the crop, a base64 PNG."""
    runtime: WorkerState = request.app.state.runtime
    options = Options(top_k=top_k, return_embedding=return_embedding)
    return await locate_and_predict(
        runtime, request, options,
        longitude_deg=longitude_deg, latitude_deg=latitude_deg, diameter_km=diameter_km,
    )  # fmt: skip


async def locate_and_predict(
    runtime: WorkerState, request: Request, options: Options, **place: float
) -> Response:
    """Answer /v1/locate and /v1/similar.

    Raises:
        Problem: 404 without a mosaic, or where it shows nothing.
    """
    if runtime.locator is None:
        raise Problem(404, "no_mosaic", "This server has no mosaic; start it with --mosaic.")
    admission = runtime.admit(request)
    checkpoint = admission.served.bundle.checkpoint
    crop, known = await admission.until(runtime.locator.crop(checkpoint, **place))
    warnings = runtime.locator.warnings(checkpoint)
    ready = prepare_cut(crop, CropForm.of(checkpoint), known, warnings)

    def encode(answers: list[CropAnswer]) -> bytes:
        content = json.loads(encode_predictions(answers))
        stream = io.BytesIO()
        Image.fromarray(crop).save(stream, "PNG")
        image = base64.b64encode(stream.getvalue()).decode()
        return json.dumps({"prediction": content["predictions"][0], "image": image}).encode()

    answer = runtime.answer(admission, Question([ready], options), encode=encode)
    return await admission.until(answer)


def direct_routes() -> dict[str, APIRoute]:
    """Return the routes of images by path, which the gate calls itself.

    They take nothing but the request and return a response, so FastAPI's routing, which would cost
    as much as all else in the event loop, adds only their description.
    """
    routes = (route for route in router.routes if isinstance(route, APIRoute))
    return {route.path: route for route in routes if route.methods == {"POST"}}


# Named in the descriptions of bodies, which FastAPI does not read itself.
EXTRA_SCHEMAS = (Predict, ProblemReply)
