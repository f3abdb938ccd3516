"""Define the routes of one crater: of the reference set, or of the release."""

import asyncio
import io
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Path, Request
from PIL import Image
from pydantic import BaseModel
from starlette.responses import Response

from lunar_models.crops.display import display_crop
from lunar_models.terms import CRATER_COLUMNS
from serving.app.looks import note_guesses
from serving.app.problems import Problem
from serving.app.reference import reference, row_of
from serving.app.release import Release, answer_of
from serving.app.routes.catalogue import READ_FAULTS, describe_row
from serving.app.routes.predict import MAX_DIAMETER_KM, TopK
from serving.app.served import Served
from serving.app.worker_state import WorkerState
from serving.model.classify import answer_embeddings
from serving.model.schema import CropAnswer, Options

router = APIRouter(tags=["catalogue"])
CraterId = Annotated[str, Path(min_length=1, max_length=100)]


class Crater(BaseModel):
    """A catalogue entry and what the model sees in its crop."""

    crater_id: str
    longitude_deg: float
    latitude_deg: float
    diameter_km: float
    prediction: CropAnswer
    has_image: bool = False


def _released(served: Served, release: Release, row: int, options: Options) -> Crater:
    """What a release says about a crater, and which reference craters are like it."""
    crater = release.crater(row)
    answer = answer_of(crater, release.metadata)
    if release.model_digest == served.digest and served.bundle.neighbours is not None:
        embedding = release.embedding(row)[None]
        (fresh,) = answer_embeddings(
            served.bundle, embedding, model=served.identity, options=options
        )
        answer.similar = fresh.similar
    return Crater(**{name: crater[name] for name in CRATER_COLUMNS}, prediction=answer)


@router.get("/v1/craters/{crater_id}", response_model=Crater, responses=READ_FAULTS)
async def crater(request: Request, crater_id: CraterId, top_k: TopK = 5) -> Crater:
    """Return a crater of the reference set, or else of the release: what the release says of it.

    Craters like one of the release are named if the model in service is the one that made it.
    """
    options = Options(top_k=top_k, return_embedding=False)
    release: Release | None = request.app.state.runtime.release
    served: Served = request.app.state.runtime.served()
    index = served.bundle.neighbours
    if release is not None and (index is None or index.row_of(crater_id) is None):
        row = release.row_of(crater_id)
        if row is None:
            detail = "Neither the release nor the reference set has a crater of this id."
            raise Problem(404, "unknown_crater", detail)
        found = await asyncio.to_thread(_released, served, release, row, options)
        await note_guesses(request, [crater_id], served.identity.model_id or "model")
        found.has_image = request.app.state.runtime.locator is not None
        return found
    served, index = reference(request)
    row = row_of(index, crater_id)
    answer = await asyncio.to_thread(describe_row, served, row, options)
    await note_guesses(request, [crater_id], served.identity.model_id or "model")
    return Crater(**index.crater(row), prediction=answer, has_image=index.thumbnails is not None)


@router.get(
    "/v1/craters/{crater_id}/image.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **READ_FAULTS},
)
async def image(request: Request, crater_id: CraterId) -> Response:
    """Return a reference crater, the Sun in the east, or one of the release cut from the mosaic.

    Stretched for display (2-98 %).
    """
    runtime: WorkerState = request.app.state.runtime
    index = runtime.served().bundle.neighbours
    row = None if index is None else index.row_of(crater_id)
    if row is None and runtime.release is not None and runtime.locator is not None:
        crop = await _cut(runtime, crater_id)
    else:
        _, index = reference(request)
        row = row_of(index, crater_id)
        if index.thumbnails is None:
            raise Problem(404, "no_image", "This reference set has no images.")
        crop = np.array(index.thumbnails[row])
    stream = io.BytesIO()
    Image.fromarray(display_crop(crop)).save(stream, "PNG")
    headers = {"cache-control": "private, max-age=3600"}
    return Response(stream.getvalue(), media_type="image/png", headers=headers)


async def _cut(runtime: WorkerState, crater_id: str) -> npt.NDArray[np.uint8]:
    """A crater of the release, cut out of the mosaic."""
    assert runtime.release is not None
    assert runtime.locator is not None
    place = runtime.release.place(crater_id)
    if place is None:
        raise Problem(
            404,
            "unknown_crater",
            "Neither the release nor the reference set has a crater of this id.",
        )
    if place["diameter_km"] > MAX_DIAMETER_KM:
        raise Problem(
            404, "no_image", f"Only craters up to {MAX_DIAMETER_KM:g} km are cut out of the mosaic."
        )
    crop, _ = await runtime.locator.crop(runtime.served().bundle.checkpoint, **place)
    return crop
