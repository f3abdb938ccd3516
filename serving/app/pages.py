"""Create an application without routes: files of its pages, and problem replies for all errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from serving.app.problems import Problem, on_http_error, on_problem, on_validation_error

PAGE = Path(__file__).parent / "page"


def page_file(name: str) -> FileResponse:
    """Reply with a page; browsers ask each time whether it is the newest."""
    return FileResponse(PAGE / name / "index.html", headers={"cache-control": "no-cache"})


def refuse_other_sites(request: Request) -> None:
    """Keep pages of other sites from writing here in a visitor's browser.

    Raises:
        Problem: 403.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(403, "forbidden", "Labels and tags are given on this server's own pages.")


def new_application(*, bodies: Sequence[type[BaseModel]], **described: Any) -> FastAPI:
    """Make an application without routes.

    Args:
        bodies: models that only descriptions of bodies and replies name, which FastAPI does not
            read itself.
        described: title, description, lifespan, as FastAPI takes them.
    """
    app = FastAPI(
        version="1",
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead to whatever Host the caller named
        **described,
    )
    app.mount("/static", StaticFiles(directory=PAGE))
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.openapi = lambda: _openapi(app, bodies)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        models = schema["components"]["schemas"]
        for model in bodies:
            own = model.model_json_schema(ref_template="#/components/schemas/{model}")
            models |= own.pop("$defs", {})
            models[model.__name__] = own
        app.openapi_schema = schema
    return app.openapi_schema
