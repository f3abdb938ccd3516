"""The pyfunc through every door of MLflow: log, load, predict, command line, real HTTP."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from crop_images import item
from live_server import reserve_port
from service_parts import Parts

from lunar_models.embedding import embed_crops
from serving.model.bundle import Bundle


@pytest.fixture(scope="module")
def loaded(champion: str) -> mlflow.pyfunc.PyFuncModel:
    return mlflow.pyfunc.load_model(champion)


@pytest.fixture(scope="module")
def url(champion: str, tracking: Path) -> Iterator[str]:
    """The stock scoring server with the champion."""
    port = reserve_port()
    command = ["mlflow", "models", "serve", "-m", champion, "-p", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--env-manager", "local"],
        env={**os.environ, "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
        cwd=tracking,
        process_group=0,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/health", process)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def _wait(health: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        try:
            if requests.get(health, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.3)
    pytest.fail("the server did not start")


def test_predict_is_embed(loaded: mlflow.pyfunc.PyFuncModel, bundle: Bundle, parts: Parts) -> None:
    crops = np.array(parts.crop_set.crops[:3])
    answers = loaded.predict([item(crop, sun_side="east") for crop in crops])
    expected = embed_crops(bundle.checkpoint, crops, device="cpu")
    np.testing.assert_allclose([a["embedding"] for a in answers], expected, rtol=1e-5, atol=1e-5)


def test_answers_name_the_model(loaded: mlflow.pyfunc.PyFuncModel, parts: Parts) -> None:
    (answer,) = loaded.predict([item(np.array(parts.crop_set.crops[0]))])
    assert answer["model"] == {
        "name": "craters",
        "version": "1",
        "model_id": loaded.metadata.model_id,
        "schema_version": 1,
    }


def test_params_reach_the_model(loaded: mlflow.pyfunc.PyFuncModel, parts: Parts) -> None:
    crop = [item(np.array(parts.crop_set.crops[0]))]
    (plain,) = loaded.predict(crop)
    (answer,) = loaded.predict(crop, params={"top_k": 2, "return_embedding": False})
    assert len(plain["similar"]) == 5
    assert len(answer["similar"]) == 2
    assert answer["embedding"] is None


@pytest.mark.parametrize("params", [{"top_k": 10_000}, {"abstain_below": 2.0}, {"top_k": "x"}])
def test_bad_params_are_refused(loaded: mlflow.pyfunc.PyFuncModel, params: dict) -> None:
    with pytest.raises(mlflow.MlflowException, match=r"top_k|abstain_below"):
        loaded.predict([item(np.eye(32, dtype=np.uint8))], params=params)


def test_empty_inputs_are_refused(loaded: mlflow.pyfunc.PyFuncModel) -> None:
    with pytest.raises(mlflow.MlflowException, match="empty"):
        loaded.predict([])


def test_nothing_is_pickled(champion: str) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(champion))
    suffixes = {p.suffix for p in folder.rglob("*") if p.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin"}
    assert "python_model" not in (folder / "MLmodel").read_text()


@pytest.mark.parametrize("damage", ["tamper", "truncate"])
def test_a_damaged_model_is_not_loaded(champion: str, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(mlflow.artifacts.download_artifacts(champion), tmp_path / "m"))
    (weights,) = folder.rglob("weights.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data if damage == "tamper" else data[:-9])
    # MLflow wraps what load_context raises
    with pytest.raises(Exception, match=r"weights\.safetensors changed or missing"):
        mlflow.pyfunc.load_model(str(folder))


def _post(url: str, body: object, **options) -> requests.Response:
    return requests.post(f"{url}/invocations", json=body, timeout=30, **options)


def test_over_http_a_bad_png_harms_no_neighbour(url: str, bundle: Bundle, parts: Parts) -> None:
    crops = np.array(parts.crop_set.crops[:2])
    good = [item(crop, sun_side="east") for crop in crops]
    broken = {"image": good[0]["image"][:80]}
    reply = _post(url, {"inputs": [good[0], broken, "no object", good[1]]})
    assert reply.status_code == 200
    first, bad, wrong, second = reply.json()["predictions"]
    assert bad["error"]["code"] == "undecodable"
    assert wrong["error"]["code"] == "bad_item"
    expected = embed_crops(bundle.checkpoint, crops, device="cpu")
    found = [first["embedding"], second["embedding"]]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert (first["model"]["name"], first["model"]["version"]) == ("craters", "1")


def test_over_http_params_apply(url: str, parts: Parts) -> None:
    body = {"inputs": [item(np.array(parts.crop_set.crops[0]))], "params": {"top_k": 1}}
    (answer,) = _post(url, body).json()["predictions"]
    assert len(answer["similar"]) == 1


def test_over_http_empty_inputs_are_the_callers_fault(url: str) -> None:
    reply = _post(url, {"inputs": []})
    assert reply.status_code == 400
    assert "empty" in reply.json()["message"]


def test_models_predict(champion: str, parts: Parts, tmp_path: Path) -> None:
    crop = item(np.array(parts.crop_set.crops[0]))
    (tmp_path / "in.json").write_text(json.dumps({"inputs": [crop]}))
    mlflow.models.predict(
        champion,
        input_path=str(tmp_path / "in.json"),
        output_path=str(tmp_path / "out.json"),
        env_manager="local",
        content_type="json",
    )
    (answer,) = json.loads((tmp_path / "out.json").read_text())["predictions"]
    assert answer["error"] is None
    assert answer["model"]["name"] == "craters"
