"""The served model: its request contract, its bundle, and the MLflow pyfunc around it."""

import os

# MLflow's client fetches artifacts straight from the object store behind the tracking server where
# the server offers it, by an address that only the server may know.
for _direction in ("UPLOAD", "DOWNLOAD"):
    os.environ.setdefault(f"MLFLOW_ENABLE_PROXY_MULTIPART_{_direction}", "false")
