"""Serve the page /label on its own, without a model."""

from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import Depends, FastAPI
from starlette.responses import RedirectResponse, Response

from lunar_models.config.label import LabelServeConfig
from lunar_models.config.serve import ServeConfig
from lunar_models.errors import ConfigError
from serving.app import logs
from serving.app.body_limits import BodyBudget
from serving.app.gate import Gate
from serving.app.labelling import open_labelling
from serving.app.pages import new_application
from serving.app.query import check_query
from serving.app.routes import health, label, label_pictures, label_relabel
from serving.app.tokens import TokenStore
from serving.app.worker import bind, server_config

_BODY_BYTES = 2**20
_BODIES_BYTES = 32 * 2**20


@dataclass
class _Process:
    bodies: BodyBudget
    draining: bool = False


def create_label_app(config: LabelServeConfig) -> FastAPI:
    """Create the application of `lunar-label`.

    Raises:
        LunarModelsError: crops, tables, scheme, store, mosaic or tokens cannot be used.
    """
    app = new_application(
        title="Lunar Models: labels",
        description="Label craters by eye.",
        bodies=label.EXTRA_SCHEMAS,
    )
    app.state.labelling = open_labelling(config)
    for routes in (label, label_pictures, label_relabel, health):
        app.include_router(routes.router, dependencies=[Depends(check_query)])
    app.add_api_route("/", _to_page, include_in_schema=False)
    tokens = TokenStore(Path(config.tokens)) if config.tokens else None
    process = _Process(BodyBudget(_BODIES_BYTES))
    app.add_middleware(Gate, max_body_bytes=_BODY_BYTES, tokens=tokens, runtime=process)
    return app


async def _to_page() -> Response:
    return RedirectResponse("label")


def serve_labels(config: LabelServeConfig) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        LunarModelsError: as `create_label_app`, or the port is taken.
    """
    app = create_label_app(config)
    logs.configure(config.log_level)
    address = ServeConfig(
        host=config.host,
        port=config.port,
        tls_certificate=config.tls_certificate,
        tls_key=config.tls_key,
    )
    try:
        listening = bind(config.host, config.port, shared=False)
    except OSError as error:
        raise ConfigError(
            f"{config.host}:{config.port} cannot be listened on ({error.strerror}); choose another "
            "--port."
        ) from error
    scheme = "https" if config.tls_certificate else "http"
    print(f"Open {scheme}://{config.host}:{listening.getsockname()[1]}/label", flush=True)
    uvicorn.Server(server_config(app, address)).run(sockets=[listening])
