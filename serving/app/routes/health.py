"""Define the route that says that the process runs."""

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process runs."""

    status: str


@router.get("/health")
@router.get("/ping", include_in_schema=False)
async def health() -> Health:
    """Tell that the process runs; says nothing about the model."""
    return Health(status="ok")
