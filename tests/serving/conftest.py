"""A small service model of every part, logged once for all serving tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from batch_job import job_config, write_moon
from live_server import Live, live_server
from service_parts import SIZE, Parts, make_parts

from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.physics import PhysicsEncoder
from serving.batch.driver import classify_catalogue
from serving.model import bundle as bundles
from serving.model.bundle import Bundle
from serving.model.reference_set import reference_set


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
def crops(parts: Parts) -> np.ndarray:
    return np.array(parts.crop_set.crops)


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The application with small limits."""
    folder = tmp_path_factory.mktemp("app")
    with live_server(folder, bundle_folder, max_body_mb=1.0, max_items=80) as live:
        yield live


@pytest.fixture(scope="session")
def moon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mosaic and a catalogue for jobs."""
    return write_moon(tmp_path_factory.mktemp("batch") / "moon")


@pytest.fixture(scope="session")
def release(moon: Path, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of `moon` in one go, as one shard."""
    output = tmp_path_factory.mktemp("whole") / "release"
    classify_catalogue(job_config(moon, bundle_folder, output, shards=1))
    return output


@pytest.fixture(scope="module")
def small_units() -> Iterator[None]:
    """Units of 16 craters, so that a small catalogue makes many shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lunar_models.cropping.streaming._UNIT_CROPS", 16)
        yield


@pytest.fixture(scope="session")
def bundle(bundle_folder: Path) -> Bundle:
    return Bundle.load(bundle_folder)


@pytest.fixture(scope="session")
def taught(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose encoder has a score; its reference craters count up from 0 to 1."""
    folder = tmp_path_factory.mktemp("taught")
    torch.manual_seed(0)
    encoder = PhysicsEncoder(crop_size_px=SIZE, latent_dim=4)
    checkpoint = Checkpoint.for_crops(encoder.eval(), parts.crop_set)
    checkpoint.save(folder / "encoder")
    embeddings = embed_crops(checkpoint, parts.crop_set.crops, device="cpu")
    scores = np.linspace([0, 0.1], [1, 0.2], len(parts.crop_set)).astype(np.float32)
    reference_set(parts.crop_set, embeddings, scores=scores).save(folder / "neighbours")
    return bundles.assemble(
        folder / "bundle",
        encoder=folder / "encoder",
        neighbours=folder / "neighbours",
        golden=parts.crop_set.crops[:4],
    )


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


@pytest.fixture(autouse=True)
def of_this_store(request: pytest.FixtureRequest) -> None:
    """Make the store current again, which other tests of this process may have changed."""
    if "register" in request.fixturenames:
        mlflow.set_tracking_uri(f"sqlite:///{request.getfixturevalue('tracking')}/mlflow.db")
        mlflow.set_experiment("serving")


@pytest.fixture(scope="session")
def register(parts: Parts, tracking: Path) -> Callable[[str], str]:
    """Logs the parts under a registry name and returns the new version."""
    from steps.shared.registry import log_service_model

    def do(name: str) -> str:
        # Fixtures of a whole session come before `of_this_store`.
        mlflow.set_tracking_uri(f"sqlite:///{tracking}/mlflow.db")
        mlflow.set_experiment("serving")
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
    version = register("craters")  # makes the store current, which a client keeps to
    mlflow.MlflowClient().set_registered_model_alias("craters", "champion", version)
    return "models:/craters@champion"
