"""Serve models: what is logged with a model, the HTTP application, batches and command lines."""

import os

# MLflow's client fetches artifacts straight from the object store behind the tracking server where
# the server offers it, by an address that only the server may know.
for _direction in ("UPLOAD", "DOWNLOAD"):
    os.environ.setdefault(f"MLFLOW_ENABLE_PROXY_MULTIPART_{_direction}", "false")
