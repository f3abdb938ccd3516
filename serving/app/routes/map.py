"""Define the routes of the map: its craters, at once or by tiles, and the mosaic below them."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from lunar_models.catalogue.tiles import LAST_LEVEL, TileKey
from serving.app.looks import note_guesses
from serving.app.problems import Problem
from serving.app.reference import reference
from serving.app.release import Release
from serving.app.routes.catalogue import READ_FAULTS
from serving.app.routes.predict import problems
from serving.model.schema import ModelAnswer

router = APIRouter(tags=["map"])
_MOST_ON_MAP = 20_000

MOST_IN_TILE = 2048
"""Only tiles of the last level can hold more craters; the largest are sent."""
_FAULTS = problems(401, 403, 404, 422)


class CraterMap(BaseModel):
    """Columns of the largest reference craters, for drawing."""

    total: int
    crater_id: list[str]
    longitude_deg: list[float]
    latitude_deg: list[float]
    diameter_km: list[float]
    cluster_id: list[int] | None
    mosaic_bounds_deg: tuple[float, float, float, float] | None


class ReleaseAnswer(BaseModel):
    """The release whose craters the map shows."""

    title: str
    citation: str
    craters: int
    levels: int = Field(description="Tiles exist at levels 0 to levels - 1.")
    clusters: dict[int, int] = Field(description="Number of craters by cluster, largest first.")
    model: ModelAnswer
    mosaic_bounds_deg: tuple[float, float, float, float] | None


class TileAnswer(BaseModel):
    """Craters of a tile, largest first; tiles above it hold the larger ones around it."""

    count: int = Field(description="Craters of the tile.")
    below: int = Field(description="Craters within its bounds in tiles of higher levels.")
    crater_id: list[str]
    longitude_deg: list[float]
    latitude_deg: list[float]
    diameter_km: list[float]
    state: list[int | None] | None = None
    degradation: list[float | None] | None = None
    cluster_id: list[int | None] | None = None


def _release(request: Request) -> Release:
    release: Release | None = request.app.state.runtime.release
    if release is None:
        raise Problem(404, "no_release", "This server has no release; start it with --release.")
    return release


@router.get("/v1/release", response_model=ReleaseAnswer, responses=_FAULTS)
async def release(request: Request) -> ReleaseAnswer:
    """Return the release whose craters the map shows."""
    shown = _release(request)
    said = shown.metadata
    locator = request.app.state.runtime.locator
    names = ("name", "version", "model_id")
    return ReleaseAnswer(
        title=said["titles"][0]["title"],
        citation=said["citation"],
        craters=len(shown),
        levels=shown.tiles.levels,
        clusters=shown.clusters,
        model=ModelAnswer(**{name: said["model"].get(name) for name in names}),
        mosaic_bounds_deg=locator.bounds_deg if locator else None,
    )


@router.get("/v1/tiles/{level}/{column}/{row}", response_model=TileAnswer, responses=_FAULTS)
async def tile(
    request: Request,
    level: Annotated[int, Path(ge=0, le=LAST_LEVEL)],
    column: Annotated[int, Path(ge=0, lt=2 ** (LAST_LEVEL + 1))],
    row: Annotated[int, Path(ge=0, lt=2**LAST_LEVEL)],
) -> Response:
    """Craters of a tile of 180/2^level degrees; columns count from -180°, rows from the north."""
    shown = _release(request)
    if column >= 2 ** (level + 1) or row >= 2**level:
        detail = f"Level {level} has {2 ** (level + 1)} columns and {2**level} rows."
        raise Problem(404, "no_tile", detail)
    found = shown.tiles.tile(TileKey(level, column, row))
    columns: dict[str, list[Any]] = found.craters.slice(0, MOST_IN_TILE).to_pydict()
    answer = TileAnswer(
        count=len(found.craters),
        below=found.below,
        **{name: _json(columns[name]) for name in TileAnswer.model_fields if name in columns},
    )
    if answer.state is not None or answer.degradation is not None:
        await note_guesses(request, answer.crater_id, str(shown.metadata["model"].get("name")))
    headers = {"cache-control": "private, max-age=300"}
    content = answer.model_dump_json(exclude_none=False)
    return Response(content, media_type="application/json", headers=headers)


def _json(values: list[Any]) -> list[Any]:
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


@router.get("/v1/map", response_model=CraterMap, responses=READ_FAULTS)
async def crater_map(request: Request) -> CraterMap:
    """Return the largest craters of the reference set, and where the mosaic lies."""
    _, index = reference(request)
    locator = request.app.state.runtime.locator
    shown = index.craters.nlargest(_MOST_ON_MAP, "diameter_km", keep="first")
    columns = {
        name: shown[name].round(4).tolist()
        for name in ("longitude_deg", "latitude_deg", "diameter_km")
    }
    return CraterMap(
        total=len(index),
        crater_id=shown["crater_id"].tolist(),
        cluster_id=shown["cluster_id"].tolist() if "cluster_id" in shown else None,
        mosaic_bounds_deg=locator.bounds_deg if locator else None,
        **columns,
    )


@router.get(
    "/v1/mosaic.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problems(401, 403, 404, 503)},
)
async def mosaic(request: Request) -> Response:
    """Return the whole mosaic, small."""
    locator = request.app.state.runtime.locator
    if locator is None:
        raise Problem(404, "no_mosaic", "This server has no mosaic; start it with --mosaic.")
    headers = {"cache-control": "private, max-age=3600"}
    return Response(await locator.overview(), media_type="image/jpeg", headers=headers)
