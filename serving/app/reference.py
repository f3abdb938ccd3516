"""Find reference craters for a request."""

from fastapi import Request

from lunar_models.neighbours import NeighbourIndex
from serving.app.problems import Problem
from serving.app.served import Served


def reference(request: Request) -> tuple[Served, NeighbourIndex]:
    """Return the model in service and its reference set.

    Raises:
        Problem: 503 none is loaded; 404 it has no reference set.
    """
    served: Served = request.app.state.runtime.served()
    if served.bundle.neighbours is None:
        raise Problem(404, "no_reference", "This model was registered without reference craters.")
    return served, served.bundle.neighbours


def row_of(index: NeighbourIndex, crater_id: str) -> int:
    """Return the row of a reference crater.

    Raises:
        Problem: 404.
    """
    row = index.row_of(crater_id)
    if row is None:
        raise Problem(404, "unknown_crater", "The reference set has no crater of this id.")
    return row
