"""One stack for all tests of this folder: it takes half a minute to start."""

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import mlflow
import numpy as np
import pytest
from service_parts import Parts, make_parts
from team_member import SMALL, Member, finish
from team_stack import TeamStack, postgres_programs, team_stack

from steps.shared.registry import log_service_model

Log = Callable[[str], None]


@pytest.fixture(scope="session")
def log() -> Log:
    """Tell what happens, with the time; ``LUNAR_STACK_LOG`` names a file that keeps it."""
    began, file = time.monotonic(), os.environ.get("LUNAR_STACK_LOG")

    def tell(what: str) -> None:
        line = f"{time.monotonic() - began:7.1f} s  {what}"
        print(line, flush=True)
        if file:
            with open(file, "a") as out:
                out.write(line + "\n")

    return tell


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, log: Log) -> Iterator[TeamStack]:
    if postgres_programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    missing = [name for name in ("moto", "psycopg", "flask_wtf") if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install -e '.[stack]'")
    with team_stack(tmp_path_factory.mktemp("stack"), log) as running:
        log("PostgreSQL, S3 and the tracking server with users run")
        yield running


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the members of the team work: crop sets and states of trainings."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="session")
def ana(stack: TeamStack, place: Path) -> Member:
    return Member("ana", stack, place)


@pytest.fixture(scope="session")
def ben(stack: TeamStack, place: Path) -> Member:
    return Member("ben", stack, place)


@pytest.fixture(scope="session")
def pipeline(ana: Member, log: Log) -> str:
    """What ana's pipeline printed."""
    began = time.monotonic()
    output = finish(ana.start(**SMALL))
    log(f"ana's pipeline took {time.monotonic() - began:.1f} s")
    return output


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """A small crop set, and what can be fitted to it."""
    return make_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="session")
def served(ana: Member, parts: Parts, log: Log) -> str:
    """A registered model of ana's with two versions, of which the first is champion."""
    with pytest.MonkeyPatch.context() as patch:
        client = ana.sign_in(patch)
        mlflow.set_experiment("served")
        for _ in range(2):
            with mlflow.start_run():
                log_service_model(
                    encoder=parts.encoder, head=parts.head, clusters=parts.clusters,
                    neighbours=parts.neighbours, golden_crops=np.array(parts.crop_set.crops[:4]),
                    registered_model="served", tags={"encoder": "pca"}, description="For tests.",
                )  # fmt: skip
        client.set_registered_model_alias("served", "champion", "1")
    log("two versions of a model are registered through the server")
    return "served"


@pytest.fixture(autouse=True)
def no_tracking_uri_left() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
