"""Define the routes of the pictures on the page /label."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from serving.app.labelling import Labelling, labelling_of
from serving.app.problems import Problem

router = APIRouter(tags=["label"])

CraterId = Annotated[str, Path(min_length=1, max_length=100)]
Edition = Annotated[
    str,
    Query(max_length=100, description="Of the crops; only tells pictures kept by a browser apart."),
]
_PICTURE = {"cache-control": "private, max-age=86400"}


@router.get(
    "/v1/label/crops/{crater_id:path}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def crop(request: Request, crater_id: CraterId, edition: Edition = "") -> Response:
    """Return a crop, pixel by pixel, stretched for display (2-98 %)."""
    labelling = labelling_of(request)
    _row(labelling, crater_id)
    picture = await asyncio.to_thread(labelling.picture, crater_id)
    return Response(picture, media_type="image/png", headers=_PICTURE)


@router.get(
    "/v1/label/pictures/{crater_id:path}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def detailed(
    request: Request,
    crater_id: CraterId,
    stretch: Literal["own", "alike"] = "own",
    edition: Edition = "",
) -> Response:
    """Return the same as the crop, with all pixels of the mosaic where there is one.

    It is stretched for display by its own brightness (2-98 %), or as all others are (`alike`), so
    that contrast can be compared.
    """
    labelling = labelling_of(request)
    row = _row(labelling, crater_id)
    mosaic, alike = labelling.surroundings, stretch == "alike"
    if mosaic is not None and mosaic.is_finer(row):
        picture = await mosaic.detailed(row, labelling.relative_range if alike else None)
    else:
        picture = await asyncio.to_thread(labelling.picture, crater_id, alike=alike)
    return Response(picture, media_type="image/png", headers=_PICTURE)


@router.get(
    "/v1/label/surroundings/{crater_id:path}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def surroundings(request: Request, crater_id: CraterId, edition: Edition = "") -> Response:
    """Return the crater 3 diameters wide, from the mosaic, stretched for display (2-98 %)."""
    labelling = labelling_of(request)
    if labelling.surroundings is None:
        raise Problem(
            404, "no_mosaic", "This labelling has no mosaic; start the server with --mosaic."
        )
    picture = await labelling.surroundings.around(_row(labelling, crater_id))
    return Response(picture, media_type="image/png", headers=_PICTURE)


def _row(labelling: Labelling, crater_id: str) -> int:
    try:
        return labelling.row(crater_id)
    except KeyError as error:
        detail = "The crop set has no crater of this id."
        raise Problem(404, "unknown_crater", detail) from error
