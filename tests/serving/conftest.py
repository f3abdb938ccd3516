"""A small service model of every part, logged once for all serving tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from service_parts import Parts, make_parts

from serving.bundle import Bundle


@pytest.fixture(autouse=True, scope="session")
def _no_pickle() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        yield


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return make_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="session")
def bundle_folder(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parts.assemble(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="session")
def bundle(bundle_folder: Path) -> Bundle:
    return Bundle.load(bundle_folder)


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh SQLite tracking store; returns its folder."""
    folder = tmp_path_factory.mktemp("tracking")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("serving", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("serving")
    yield folder
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="session")
def register(parts: Parts, tracking: Path) -> Callable[[str], str]:
    """Logs the parts under a registry name and returns the new version."""
    from steps._registry import log_service_model

    def do(name: str) -> str:
        with mlflow.start_run():
            info = log_service_model(
                encoder=parts.encoder,
                head=parts.head,
                clusters=parts.clusters,
                neighbours=parts.neighbours,
                golden_crops=np.array(parts.crop_set.crops[:4]),
                registered_model=name,
                tags={"encoder": "pca"},
                description="A model for tests.",
            )
        return str(info.registered_model_version)

    return do


@pytest.fixture(scope="session")
def champion(register: Callable[[str], str]) -> str:
    """URI of a registered model with the alias `champion`."""
    mlflow.MlflowClient().set_registered_model_alias("craters", "champion", register("craters"))
    return "models:/craters@champion"
