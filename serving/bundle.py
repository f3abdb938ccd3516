"""What a served model consists of: a folder with an encoder and what was fitted on top of it.

encoder/        checkpoint (`lunar_models.encoders.checkpoint`)
head/           classification head, if there were labels
clusters/       cluster model, if craters were clustered
bundle.json     schema version and the sha256 of every other file; written last
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from lunar_models.clustering import ClusterModel
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import CheckpointError
from lunar_models.heads import Head
from serving.schema import SCHEMA_VERSION

BUNDLE_FILE = "bundle.json"
ENCODER, HEAD, CLUSTERS = "encoder", "head", "clusters"
HEAD_FILE = "head.npz"


@dataclass(frozen=True)
class Bundle:
    """The parts of a served model, loaded."""

    checkpoint: Checkpoint
    head: Head | None = None
    clusters: ClusterModel | None = None

    @classmethod
    def load(cls, folder: str | Path) -> "Bundle":
        """Load a bundle after checking its digests.

        Raises:
            CheckpointError: missing, tampered with, truncated, or of another schema version.
        """
        folder = Path(folder)
        _verify(folder)
        head, clusters = folder / HEAD / HEAD_FILE, folder / CLUSTERS
        return cls(
            Checkpoint.load(folder / ENCODER),
            Head.load(head) if head.is_file() else None,
            ClusterModel.load(clusters) if clusters.is_dir() else None,
        )


def assemble(
    folder: Path, *, encoder: Path, head: Path | None = None, clusters: Path | None = None
) -> Path:
    """Copy the parts into a bundle folder and seal it with digests; returns the folder."""
    for name, source in ((ENCODER, encoder), (HEAD, head), (CLUSTERS, clusters)):
        if source is not None:
            shutil.copytree(source, folder / name)
    contents = {"schema_version": SCHEMA_VERSION, "sha256": _digests(folder)}
    (folder / BUNDLE_FILE).write_text(json.dumps(contents, indent=2, sort_keys=True) + "\n")
    return folder


def _digests(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != BUNDLE_FILE)
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(files)
    }


def _verify(folder: Path) -> None:
    try:
        contents = json.loads((folder / BUNDLE_FILE).read_text())
        version, expected = contents["schema_version"], contents["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder} is not a service bundle: {error}.") from error
    if version != SCHEMA_VERSION:
        raise CheckpointError(
            f"The bundle {folder} has schema version {version}, this code serves "
            f"{SCHEMA_VERSION}; register the model again."
        )
    found = _digests(folder)
    if changed := sorted(k for k in expected | found if expected.get(k) != found.get(k)):
        raise CheckpointError(
            f"The bundle {folder} is not what was registered: {', '.join(changed)} changed or "
            "missing. Register the model again."
        )
