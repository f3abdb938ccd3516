"""Refuse query parameters that a route does not know: a misspelt one would go unheeded."""

from collections.abc import Sequence

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import ImmutableMultiDict

from serving.app.problems import Problem


async def check_query(request: Request) -> None:
    """Refuse unknown and repeated query parameters of what is asked below ``/v1/`` with GET.

    Pages read theirs in the browser, and what probes append does not matter.

    Raises:
        Problem: 400.
    """
    route = request.scope.get("route")
    if request.method != "GET" or not request.url.path.startswith("/v1/"):
        return
    if isinstance(route, APIRoute):
        check_names(request.query_params, [field.alias for field in route.dependant.query_params])


def check_names(given: ImmutableMultiDict[str, str], known: Sequence[str]) -> None:
    """Refuse names that are not known, and those that stand twice. Raises as `check_query`."""
    for name in given:
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes none"
            detail = f"There is no query parameter {name[:50]!r}; this path {takes}."
            raise Problem(400, "bad_parameter", detail)
        if len(given.getlist(name)) > 1:
            raise Problem(400, "bad_parameter", f"{name!r} is given more than once; give it once.")
