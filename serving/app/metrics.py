"""Define the Prometheus metrics, shared by all workers through PROMETHEUS_MULTIPROC_DIR."""

import os
from functools import lru_cache
from typing import Any

from prometheus_client import REGISTRY as _PROCESS
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS = Counter("lunar_requests_total", "Requests.", ["route", "status"])
SECONDS = Histogram(
    "lunar_request_seconds",
    "Time from the first byte of a request to the last of its reply.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
CROPS = Counter(
    "lunar_crops_total", "Crops answered, by error code ('none' for an answer).", ["error"]
)
BATCH_CROPS = Histogram(
    "lunar_batch_crops", "Crops per forward pass.", buckets=(1, 2, 4, 8, 16, 32, 64)
)
BATCH_SECONDS = Histogram(
    "lunar_batch_seconds",
    "Time per batch.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
WAITING = Gauge("lunar_waiting_crops", "Crops in the queue.", multiprocess_mode="livesum")
MODEL_VERSION = Gauge(
    "lunar_model_version", "Registry version in service.", multiprocess_mode="livemin"
)
SWAPS = Gauge("lunar_model_loads", "Models loaded since the start.", multiprocess_mode="livesum")


@lru_cache(maxsize=256)
def _request_series(route: str, status: int) -> tuple[Any, Any]:
    return REQUESTS.labels(route, str(status)), SECONDS.labels(route)


def note_request(route: str, status: int, seconds: float) -> None:
    """Count a finished request."""
    count, histogram = _request_series(route, status)
    count.inc()
    histogram.observe(seconds)


def note_batch(crops: int, seconds: float) -> None:
    """Count a forward pass."""
    BATCH_CROPS.observe(crops)
    BATCH_SECONDS.observe(seconds)


def note_model(version: str | None) -> None:
    """Count a loaded model."""
    SWAPS.inc()
    if version is not None and version.isdigit():
        MODEL_VERSION.set(int(version))


def exposition() -> bytes:
    """Return all series of all workers in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(_PROCESS)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
