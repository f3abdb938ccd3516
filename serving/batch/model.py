"""Find the service model that classifies, and copy what classification needs of it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from lunar_models.config.databases import hide_passwords
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.pretrained import SCHEME
from lunar_models.errors import CheckpointError, ConfigError
from serving.model import artifacts
from serving.model import bundle as bundles
from serving.model.bundle import identify
from serving.model.seal import BUNDLE_FILE, seal_digest

_PLACES = ("", "bundle", "artifacts/bundle")


@dataclass(frozen=True)
class Model:
    """A service model on disk."""

    uri: str
    folder: Path
    """Of the bundle."""
    digest: str
    """sha256 of the file that lists the digests of all others."""
    name: str | None
    version: str | None
    model_id: str | None

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The encoder, and how its crops are made."""
        return Checkpoint.load(self.folder / bundles.ENCODER)

    def describe(self) -> dict[str, Any]:
        """Return what a release says of the model that made it."""
        names = ("uri", "name", "version", "model_id", "digest")
        return {name: getattr(self, name) for name in names}


def find_model(uri: str) -> Model:
    """Fetch a service model.

    Args:
        uri: ``models:/…``, ``runs:/…``, or a folder.

    Raises:
        CheckpointError: there is nothing there.
        ConfigError: it is no service model, or says nothing of a crater.
    """
    if uri.startswith(SCHEME):
        raise ConfigError(
            f"model={uri} is an encoder, not a service model; register it (mlflow run . -e "
            f"register -P encoder_uri={uri}) and give that model, such as models:/NAME@champion."
        )
    folder = Path(uri) if Path(uri).is_dir() else download(uri)
    for place in _PLACES:
        if (folder / place / BUNDLE_FILE).is_file():
            found = (folder / place).absolute()
            known = identify(found)
            model = Model(
                uri, found, seal_digest(found),
                known.name, known.version, known.model_id,
            )  # fmt: skip
            _check_answers(model)
            return model
    raise ConfigError(f"model={uri} is no service model; make one with the register step.")


def _check_answers(model: Model) -> None:
    """Refuse an encoder alone, unless it tells scores or depths itself."""
    if any((model.folder / part).is_dir() for part in (bundles.HEAD, bundles.CLUSTERS)):
        return
    checkpoint = model.checkpoint
    side = checkpoint.encoder.crop_size_px
    blank = checkpoint.prepare(torch.zeros(1, side, side, dtype=torch.uint8))
    if checkpoint.encoder.tell(blank.to(checkpoint.encoder.device)).keys() == {"embedding"}:
        raise ConfigError(
            f"model={model.uri} is an encoder without head and clusters: it tells neither state "
            "nor score nor cluster of a crater. Register a service model of it (mlflow run . -e "
            "register, with head or clusters) and give that one, such as models:/NAME@champion."
        )


def copy_model(model: Model, folder: Path) -> None:
    """Copy a bundle without its reference craters, so that every shard finds it beside the plan.

    Raises:
        CheckpointError: the bundle is damaged.
    """
    bundles.Bundle.load(model.folder)
    parts = {name: model.folder / name for name in (bundles.HEAD, bundles.CLUSTERS)}
    bundles.assemble(
        folder,
        encoder=model.folder / bundles.ENCODER,
        golden=bundles.golden_crops(model.folder),  # each process that loads it checks them
        **{name: part for name, part in parts.items() if part.is_dir()},
    )


def download(uri: str) -> Path:
    """Fetch what a URI of MLflow names.

    Raises:
        CheckpointError: there is nothing there.
    """
    import mlflow  # takes a second, and is not needed for a local folder

    try:
        return artifacts.download(uri)
    except (mlflow.MlflowException, OSError, ValueError) as error:
        bare = re.fullmatch(r"[\w.-]+", uri)
        hint = f"; a registered model is named models:/{uri}@champion." if bare else ""
        raise CheckpointError(
            hide_passwords(
                f"{uri} is neither a folder here nor a model of the registry: {error}{hint}"
            )
        ) from error
