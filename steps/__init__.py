"""Run the MLproject entry points, one thin command each: parse, load, one library call, log."""

import os
import warnings

from serving.model.artifacts import keep_to_server

# Threads that wait by spinning make two busy programs on one machine crawl. OpenMP reads this when
# torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# MLflow warns about the types of its own classes when it is imported, in every step; a filter
# would not help, since it sets one of its own first.
with warnings.catch_warnings(record=True):
    import mlflow.pyfunc  # noqa: F401

keep_to_server()
