"""Download artifacts through the tracking server, never straight from the store behind it."""

import os
from pathlib import Path


def keep_to_server() -> None:
    """Have MLflow's client move artifacts through the tracking server, unless the user set it.

    Where a server offers it, the client would use the object store behind it, at an address that
    only the server may know.
    """
    for direction in ("UPLOAD", "DOWNLOAD"):
        os.environ.setdefault(f"MLFLOW_ENABLE_PROXY_MULTIPART_{direction}", "false")


def download(uri: str, folder: Path | None = None) -> Path:
    """Download what a URI leads to; by default into a temporary folder of MLflow's.

    Raises:
        Exception: whatever MLflow raises.
    """
    import mlflow  # takes a second

    keep_to_server()
    target = None if folder is None else str(folder)
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=target))
