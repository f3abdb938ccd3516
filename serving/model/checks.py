"""Check a model version before it may serve."""

import base64
import io
import os
import time
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
from PIL import Image

from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from serving.model import artifacts
from serving.model.bundle import ENCODER, GOLDEN_TOLERANCE, golden_crops
from serving.model.pyfunc import ARTIFACT

_ROUNDS = 30
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")


@dataclass(frozen=True)
class Check:
    """One requirement and how it came out."""

    name: str
    passed: bool
    detail: str


def serving_checks(uri: str, *, max_latency_ms: float) -> list[Check]:
    """Load a registered model as the scoring server would, and try it on its golden crops.

    Args:
        uri: ``models:/name/version``.
        max_latency_ms: budget of one crop, 95th percentile.
    """
    folder = artifacts.download(uri)
    pickles = sorted(p.name for p in folder.rglob("*") if p.suffix in _PICKLES)
    checks = [Check("no pickle", not pickles, ", ".join(pickles) or "none among its files")]
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    try:
        model = mlflow.pyfunc.load_model(str(folder))  # a server that is away is no fault of it
    # Whatever stops it here would stop it in service.
    except Exception as error:
        return [*checks, Check("loads", False, f"{type(error).__name__}: {error}"[:500])]
    checks.append(Check("loads", True, "digests and golden embeddings agree"))
    bundle = folder / "artifacts" / ARTIFACT
    golden = golden_crops(bundle)
    if not len(golden):
        return [*checks, Check("golden crops", False, "the model carries none; register it again")]
    return [*checks, _parity(model, bundle, golden), _latency(model, golden, max_latency_ms)]


def _items(golden: np.ndarray) -> list[dict[str, str]]:
    items = []
    for crop in golden:
        stream = io.BytesIO()
        Image.fromarray(crop).save(stream, "PNG")
        image = base64.b64encode(stream.getvalue()).decode()
        items.append({"image": image, "sun_side": "east"})
    return items


def _parity(model: mlflow.pyfunc.PyFuncModel, bundle: Path, golden: np.ndarray) -> Check:
    expected = embed_crops(Checkpoint.load(bundle / ENCODER), golden, device="cpu")
    answers = model.predict(_items(golden))
    if errors := [a["error"]["message"] for a in answers if a["error"]]:
        return Check("parity", False, f"{len(errors)} golden crops are refused: {errors[0]}")
    found = np.array([a["embedding"] for a in answers])
    apart = float(np.abs(found - expected).max() / max(float(expected.std()), 1e-12))
    return Check("parity", apart <= GOLDEN_TOLERANCE, f"embeddings differ by {apart:.1e} std")


def _latency(model: mlflow.pyfunc.PyFuncModel, golden: np.ndarray, budget_ms: float) -> Check:
    items = _items(golden)
    times = []
    for i in range(_ROUNDS):
        begin = time.perf_counter()
        model.predict([items[i % len(items)]])
        times.append(1000.0 * (time.perf_counter() - begin))
    p95 = float(np.percentile(times, 95))
    return Check("latency", p95 <= budget_ms, f"p95 {p95:.1f} ms, budget {budget_ms:g} ms")
