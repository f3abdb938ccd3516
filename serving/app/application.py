"""Assemble the HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from lunar_models.config.label import read_label_config
from lunar_models.config.serve import ServeConfig
from lunar_models.labelling.tags import TagStore
from serving.app.batcher import Batcher
from serving.app.body_limits import BodyBudget
from serving.app.decoders import DecoderPool
from serving.app.gate import Gate
from serving.app.pages import new_application
from serving.app.query import check_query
from serving.app.release import Release
from serving.app.routes import (
    catalogue,
    craters,
    health,
    label,
    label_pictures,
    label_relabel,
    map,
    operations,
    predict,
    search,
)
from serving.app.served import ModelHolder
from serving.app.tokens import TokenStore
from serving.app.worker_state import WorkerState

if TYPE_CHECKING:
    from serving.app.labelling import Labelling
    from serving.app.locate import Locator

_ABOUT = """Degradation state, cluster and look-alikes of lunar craters from small images.

Send crops as MLflow does (`/invocations`), as JSON, as raw images or as a form. Errors are
[problem replies](https://www.rfc-editor.org/rfc/rfc9457). Limits and tokens are the operator's.
"""


def create_app(config: ServeConfig, pointer_file: Path) -> FastAPI:
    """Create the application of one worker.

    Args:
        config: limits and options.
        pointer_file: says which model to serve; see `served.Pointer`.

    Raises:
        ConfigError: the file of tokens cannot be read.
        MosaicError: the mosaic cannot be used.
        LunarModelsError: the release or the labelling cannot be used.
    """
    runtime = _runtime(config, pointer_file)
    bodies = (*predict.EXTRA_SCHEMAS, *label.EXTRA_SCHEMAS)
    app = new_application(
        title="Lunar Models", description=_ABOUT, lifespan=_lifespan, bodies=bodies
    )
    app.state.runtime = runtime
    app.state.tags = None if config.tags is None else TagStore(config.tags)
    app.state.labelling = _labelling(config)
    routers = (
        predict,
        catalogue,
        craters,
        map,
        search,
        health,
        operations,
        label,
        label_pictures,
        label_relabel,
    )
    for routes in routers:
        app.include_router(routes.router, dependencies=[Depends(check_query)])
    tokens = TokenStore(Path(config.tokens)) if config.tokens else None
    limit = int(config.max_body_mb * 2**20)
    direct = predict.direct_routes()
    app.add_middleware(Gate, max_body_bytes=limit, tokens=tokens, runtime=runtime, direct=direct)
    if config.cors_origins:  # around the gate: a browser may read refusals, too
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-request-id", "x-deadline-ms"],
            expose_headers=["x-request-id", "retry-after", "www-authenticate"],
        )
    return app


def _runtime(config: ServeConfig, pointer_file: Path) -> WorkerState:
    return WorkerState(
        config=config,
        holder=ModelHolder(pointer_file),
        batcher=Batcher(config.queue_items),
        decoders=DecoderPool(config.decoders, config.decode_s),
        bodies=BodyBudget(int(config.max_bodies_mb * 2**20)),
        locator=_locator(config),
        release=Release.open(Path(config.release)) if config.release else None,
    )


def _locator(config: ServeConfig) -> "Locator | None":
    if config.mosaic is None:
        return None
    from serving.app.locate import Locator

    return Locator(config.mosaic, band=config.band, crs=config.crs, shade=config.shade)


def _labelling(config: ServeConfig) -> "Labelling | None":
    if config.labelling is None:
        return None
    from serving.app.labelling import open_labelling

    return open_labelling(read_label_config(config.labelling))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    runtime: WorkerState = app.state.runtime
    runtime.batcher.start()
    runtime.decoders.start()
    runtime.holder.watch()
    yield
    runtime.holder.close()
    runtime.decoders.close()
    runtime.batcher.close()
