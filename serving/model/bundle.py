"""Assemble and load the bundle of a served model: an encoder and the models fitted on top of it.

encoder/        checkpoint (`lunar_models.encoders.checkpoint`)
head/           classification head, if there were labels
clusters/       cluster model, if craters were clustered
neighbours/     reference craters to compare with (`lunar_models.neighbours`), if there are any
golden/         a few crops and the embeddings they must have, wherever the model runs
bundle.json     schema version and the sha256 of every other file; written last
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from lunar_models.clustering import ClusterModel
from lunar_models.crops.training_domain import TrainingDomain
from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.inference import inference_copy
from lunar_models.errors import CheckpointError
from lunar_models.heads.head import Head
from lunar_models.neighbours import NeighbourIndex
from serving.model.schema import LabelSet, ModelAnswer
from serving.model.seal import seal, verify

ENCODER, HEAD, CLUSTERS, NEIGHBOURS, GOLDEN = "encoder", "head", "clusters", "neighbours", "golden"
HEAD_FILE = "head.npz"
DOMAIN_FILE = "domain.json"
"""Beside the head: ranges of the craters it was fitted on."""
LABELS_FILE = "labels.json"
"""Beside the head: name and digest of the labels it was fitted on."""
GIVEN_FILE = "given.csv"
"""Beside the head that a step logged: `crater_id` and `given_label`. It stays out of bundles."""
_REGISTERED = "registered_model_meta"
"""Where MLflow notes name and version of a model loaded from the registry."""
GOLDEN_TOLERANCE = 1e-3
"""Largest difference of a golden embedding, in units of its standard deviation."""


@dataclass(frozen=True)
class Bundle:
    """The parts of a served model, loaded."""

    checkpoint: Checkpoint
    head: Head | None = None
    clusters: ClusterModel | None = None
    neighbours: NeighbourIndex | None = None
    head_domain: TrainingDomain = field(default_factory=TrainingDomain)
    """Ranges of the craters that the head was fitted on; empty where it is not known."""
    scores: bool = True
    """Whether to ask the encoder for its own degradation score and physical quantities."""

    @classmethod
    def load(cls, folder: str | Path) -> "Bundle":
        """Load a bundle after checking its digests, then check that it computes what it should.

        Raises:
            CheckpointError: missing, tampered with, truncated, of another schema version, of
                parts that do not fit together, with NaN in their numbers, without golden
                crops, or not reproducing their embeddings.
        """
        folder = Path(folder)
        verify(folder)
        head, clusters, neighbours = (
            folder / HEAD / HEAD_FILE,
            folder / CLUSTERS,
            folder / NEIGHBOURS,
        )
        checkpoint = Checkpoint.load(folder / ENCODER)
        bundle = cls(
            replace(checkpoint, encoder=inference_copy(checkpoint.encoder)),
            Head.load(head) if head.is_file() else None,
            ClusterModel.load(clusters) if clusters.is_dir() else None,
            NeighbourIndex.load(neighbours) if neighbours.is_dir() else None,
            _load_domain(folder / HEAD / DOMAIN_FILE),
        )
        bundle._check_widths()
        bundle._check_numbers()
        if not len(golden_crops(folder)):
            raise CheckpointError(
                f"The bundle {folder} carries no golden crops, so nothing shows that it computes "
                "what it should; register the model again."
            )
        _check_golden(bundle.checkpoint, folder / GOLDEN)
        return bundle

    def _check_widths(self) -> None:
        width = self.checkpoint.encoder.embedding_dim
        widths = {
            HEAD: self.head and self.head.embedding_dim,
            CLUSTERS: self.clusters and len(self.clusters.preparation.mean),
            NEIGHBOURS: self.neighbours and self.neighbours.embeddings.shape[1],
        }
        for part, other in widths.items():
            if other is not None and other != width:
                raise CheckpointError(
                    f"The {part} of the bundle was fitted on embeddings of width {other}, its "
                    f"encoder makes {width}; register parts of one encoder."
                )

    def _check_numbers(self) -> None:
        arrays = {
            ENCODER: [t.float().numpy() for t in self.checkpoint.encoder.state_dict().values()],
            HEAD: _arrays(self.head),
            CLUSTERS: _arrays(self.clusters),
            NEIGHBOURS: [self.neighbours.embeddings] if self.neighbours else [],
        }
        for part, each in arrays.items():
            # The least of numbers of which one is not a number is not a number.
            if any(a.dtype.kind == "f" and a.size and np.isnan(a.min()) for a in each):
                raise CheckpointError(
                    f"The {part} of the bundle holds NaN; train and register it again."
                )


def assemble(
    folder: Path,
    *,
    encoder: Path,
    head: Path | None = None,
    clusters: Path | None = None,
    neighbours: Path | None = None,
    golden: npt.NDArray[np.uint8],
) -> Path:
    """Copy the parts into a bundle folder and seal it with digests; returns the folder.

    Args:
        folder: does not exist yet.
        encoder: folder of the checkpoint.
        head: folder of the classification head.
        clusters: folder of the cluster model.
        neighbours: folder of the neighbour index.
        golden: (n, S, S) uint8 crops, n ≥ 1; their embeddings are noted now and checked at each
            load.

    Raises:
        CheckpointError: a part is damaged, or the parts do not fit together.
    """
    parts = ((ENCODER, encoder), (HEAD, head), (CLUSTERS, clusters), (NEIGHBOURS, neighbours))
    for name, source in parts:
        if source is not None:
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns(GIVEN_FILE))
    (folder / GOLDEN).mkdir()
    embeddings = embed_crops(Checkpoint.load(folder / ENCODER), golden, device="cpu")
    np.save(folder / GOLDEN / "crops.npy", golden, allow_pickle=False)
    np.save(folder / GOLDEN / "embeddings.npy", embeddings, allow_pickle=False)
    seal(folder)
    Bundle.load(folder)
    return folder


def golden_crops(folder: str | Path) -> npt.NDArray[np.uint8]:
    """Return the golden crops of a bundle folder, (n, S, S) uint8; n = 0 without any."""
    file = Path(folder) / GOLDEN / "crops.npy"
    return _load(file) if file.is_file() else np.empty((0, 0, 0), np.uint8)


def identify(bundle_folder: Path) -> ModelAnswer:
    """Name, version, id and labels, from the files that MLflow keeps beside and in the bundle."""
    named = bundle_folder / HEAD / LABELS_FILE
    labels = LabelSet.model_validate_json(named.read_bytes()) if named.is_file() else None
    for folder in bundle_folder.absolute().parents:
        if (folder / "MLmodel").is_file():
            meta = folder / _REGISTERED
            registered = yaml.safe_load(meta.read_text()) if meta.is_file() else {}
            version = registered.get("model_version")
            return ModelAnswer(
                name=registered.get("model_name"),
                version=None if version is None else str(version),
                model_id=yaml.safe_load((folder / "MLmodel").read_text()).get("model_id"),
                labels=labels,
            )
    return ModelAnswer(labels=labels)


def _load_domain(file: Path) -> TrainingDomain:
    try:
        return TrainingDomain.load(file)
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is damaged; register the model again.") from error


def _arrays(part: object | None) -> Iterator[npt.NDArray[Any]]:
    """The arrays that a part is made of, also those of the parts within it."""
    for value in vars(part).values() if part is not None else ():
        if isinstance(value, np.ndarray):
            yield value
        elif is_dataclass(value):
            yield from _arrays(value)


def _check_golden(checkpoint: Checkpoint, folder: Path) -> None:
    expected = _load(folder / "embeddings.npy")
    found = embed_crops(checkpoint, _load(folder / "crops.npy"), device="cpu")
    worst = float(np.abs(found - expected).max() / max(float(expected.std()), 1e-12))
    if not worst <= GOLDEN_TOLERANCE:
        raise CheckpointError(
            f"The encoder embeds the golden crops {worst:.2g} standard deviations away from where "
            "it did when it was registered; use the package versions it was registered with."
        )


def _load(file: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(file, allow_pickle=False)
    return array
