"""Register models in the MLflow Model Registry, and load encoders from it."""

import base64
import io
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import numpy.typing as npt
from mlflow.models import infer_signature
from mlflow.models.model import ModelInfo
from PIL import Image
from tqdm import tqdm

from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import CONFIG_FILE, Checkpoint
from lunar_models.encoders.pretrained import SCHEME, pretrained_folder
from serving.model import bundle as bundles
from serving.model import pyfunc as served
from serving.model.schema import Options
from steps.shared.tracking import PROJECT, git, log_output, resolve_artifacts, set_tag
from steps.shared.unlogged import return_to_server

_REQUIREMENTS = (
    "mlflow", "numba", "numpy", "pandas", "pillow", "pyarrow", "pydantic", "safetensors",
    "scikit-learn", "scipy", "torch", "usearch",
)  # fmt: skip
"""What every served model needs; `tests/serving/test_isolated.py` loads one with no more."""
_OF_ENCODERS = {"vit_mae": "transformers", "backbone": "transformers"}
"""What only some encoders need, also as members of an ensemble."""

GOLDEN_CROPS = 16
VERSION_TAGS = frozenset(
    {
        "encoder",
        "crops_digest",
        "git_commit",
        "validation_loss",
        "imported_from",
        "head_uri",
        "head/qwk",
    }
)
"""Of the lineage, what a version shows as tags, five at most of one kind of model: with the two of
promotion fewer than eight. The model's metadata has all of it."""
_ABOUT = {
    False: "Encoders of lunar crater crops: a crop in, an embedding out. Each version tells its "
    "family, its crop set and its validation loss.",
    True: "The served model: tells embedding, cluster, degradation state and similar craters of "
    "a crop. `champion` is in service, `challenger` waits for `mlflow run . -e promote`.",
}
"""Descriptions of registered models: of encoders, and of what is served."""


def log_service_model(
    *,
    encoder: Path,
    head: Path | None = None,
    clusters: Path | None = None,
    neighbours: Path | None = None,
    golden_crops: npt.NDArray[np.uint8],
    registered_model: str | None,
    tags: dict[str, str],
    description: str,
) -> ModelInfo:
    """Log a served model to the active run and register it.

    Args:
        encoder: checkpoint folder.
        head: folder of the classification head.
        clusters: folder of the cluster model.
        neighbours: folder of the neighbour index (`serving.model.reference_set.reference_set`).
        golden_crops: (n, S, S) uint8, n ≥ 1; what the model must make of them is noted and
            checked wherever it is loaded. The first becomes the input example.
        registered_model: registry name; None logs without registering.
        tags: lineage, kept in the model's metadata; `VERSION_TAGS` of it become tags.
        description: for a human, kept with the version.

    Returns:
        MLflow's record; `model_uri` is immutable, `registered_model_version` the version.
    """
    return_to_server()
    tags = {**tags, "git_commit": git("rev-parse", "HEAD")}
    with tempfile.TemporaryDirectory() as folder:
        bundle = bundles.assemble(
            Path(folder) / served.ARTIFACT,
            encoder=encoder,
            head=head,
            clusters=clusters,
            neighbours=neighbours,
            golden=golden_crops,
        )
        info = _log_bundle(bundle, golden_crops[0], registered_model, tags)
    if registered_model is not None:
        number = str(info.registered_model_version)
        _describe(registered_model, number, _ABOUT[neighbours is not None], description, tags)
    return info


def _log_bundle(
    bundle: Path,
    golden_crop: npt.NDArray[np.uint8],
    registered_model: str | None,
    tags: dict[str, str],
) -> ModelInfo:
    with _quiet_about_hints():
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PROJECT / "serving" / "model" / "pyfunc.py"),
            artifacts={served.ARTIFACT: str(bundle)},
            code_paths=[str(PROJECT / "serving"), str(PROJECT / "lunar_models")],
            # Exact versions; MLflow's own inference takes seconds and drops local version tags.
            pip_requirements=requirements(bundle / bundles.ENCODER),
            # Only params: with a signature of the input MLflow would refuse a whole request for
            # one item of a wrong type, and drop columns that it does not know without a word.
            # MLflow lets only those keys be set later that are here.
            model_config={"column": ""},
            signature=infer_signature(params=Options().model_dump()),
            input_example=(example(golden_crop), Options().model_dump()),
            registered_model_name=registered_model,
            tags={key: tags[key] for key in VERSION_TAGS & {*tags}},
            metadata={"lineage": tags},
        )
    return info


def _describe(name: str, number: str, about: str, description: str, tags: dict[str, str]) -> None:
    """Describe a version, and the registered model where nobody did; show the version's tags."""
    client = mlflow.MlflowClient()
    client.update_model_version(name, number, description)
    if not client.get_registered_model(name).description:
        client.update_registered_model(name, about)
    for key in VERSION_TAGS & {*tags}:
        client.set_model_version_tag(name, number, key, tags[key])


def log_registered(name: str | None, info: ModelInfo) -> None:
    """Note the version among the run's outputs: it is made anew if somebody deletes it."""
    if name is not None:
        log_output("version", f"models:/{name}/{info.registered_model_version}")


def requirements(encoder: Path) -> list[str]:
    """Pinned requirements of a model with the encoder in a checkpoint folder."""
    config = (encoder / CONFIG_FILE).read_text()
    further = {package for name, package in _OF_ENCODERS.items() if f'"{name}"' in config}
    return [f"{name}=={_public(version(name))}" for name in (*_REQUIREMENTS, *sorted(further))]


@contextmanager
def _quiet_about_hints() -> Iterator[None]:
    """Drop MLflow's warning about missing hints in `serving.model.pyfunc`, which is meant.

    MLflow sets a filter of its own before it warns, so the warnings are caught and given out again.
    """
    with warnings.catch_warnings(record=True) as caught:
        yield
    for each in caught:
        if "Add type hints" not in str(each.message):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def example(crop: npt.NDArray[np.uint8]) -> list[dict[str, str]]:
    """Make a request body's ``inputs`` for one (S, S) uint8 crop."""
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "PNG")
    return [{"image": base64.b64encode(buffer.getvalue()).decode()}]


def golden_crops(crop_set: CropSet) -> npt.NDArray[np.uint8]:
    """Return (n, S, S) the first few test crops: what a model must make of them travels with it."""
    rows = crop_set.indices("test")[:GOLDEN_CROPS]
    return np.array(crop_set.crops[rows if len(rows) else slice(GOLDEN_CROPS)])


def find_encoder(uri: str) -> Path:
    """Return the checkpoint folder behind pretrained:NAME, a model URI, a runs:/ URI or a path.

    Raises:
        CheckpointError: the package has no encoder of that name.
        UserError: there is nothing there.
    """
    if uri.startswith(SCHEME):
        return pretrained_folder(uri)
    return resolve_artifacts(uri, part=f"artifacts/{served.ARTIFACT}/{bundles.ENCODER}")


def _public(version_text: str) -> str:
    """``2.13.0+cpu`` -> ``2.13.0``: local builds are not on any index."""
    return version_text.partition("+")[0]


def embed_crop_set(
    crop_set: CropSet, encoder_uri: str
) -> tuple[Checkpoint, npt.NDArray[np.float32]]:
    """Load an encoder, adapt it to the crops and embed them, with progress: (N, D) float32."""
    checkpoint = Checkpoint.load(find_encoder(encoder_uri)).adapted_to(crop_set)
    set_tag("encoder", checkpoint.encoder.name)
    with tqdm(total=len(crop_set), unit="crop", desc="embed", disable=None) as bar:
        return checkpoint, embed_crops(checkpoint, crop_set.crops, progress=bar.update)
