"""The pyfunc through every interface of MLflow: log, load, predict, command line, real HTTP."""

import base64
import contextlib
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
import pandas as pd
import pytest
import requests
from crop_images import item
from live_server import live_server, reserve_port
from service_parts import STATES, Parts

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
        "labels": None,
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
    (weights,) = (folder / "artifacts").rglob("weights.safetensors")  # not those of the code
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


@pytest.fixture(scope="module")
def images(parts: Parts) -> list[str]:
    """Base64 of three crops."""
    return [item(np.array(crop))["image"] for crop in parts.crop_set.crops[:3]]


def test_a_table_is_answered_by_a_table(
    loaded: mlflow.pyfunc.PyFuncModel, images: list[str]
) -> None:
    hints = {"sun_side": ["east", None, "west"], "diameter_km": [np.nan, 2.0, np.nan]}
    rows = loaded.predict(pd.DataFrame({"image": [*images[:2], "####"], **hints}))
    assert isinstance(rows, pd.DataFrame)
    assert list(rows["error_code"].fillna("")) == ["", "", "bad_base64"]
    (direct,) = loaded.predict([{"image": images[0], "sun_side": "east"}])
    assert rows["state"][0] == direct["state"]["label"]
    assert rows["degradation"][0] == pytest.approx(direct["degradation"]["score"], abs=1e-5)
    column = loaded.predict(pd.DataFrame({"image": images}), params={"column": "state"})
    assert list(column) == [a["state"]["label"] for a in loaded.predict(images)]
    with pytest.raises(mlflow.MlflowException, match="'column' is none of state, "):
        loaded.predict(pd.DataFrame({"image": images}), params={"column": "age"})
    with pytest.raises(mlflow.MlflowException, match="not sent as one"):
        loaded.predict(images, params={"column": "state"})


def test_columns_that_are_not_understood_are_refused(
    loaded: mlflow.pyfunc.PyFuncModel, images: list[str]
) -> None:
    for table in ({"image": images, "sun_sid": "east"}, {"picture": images}):
        with pytest.raises(mlflow.MlflowException, match="A table has the column 'image'"):
            loaded.predict(pd.DataFrame(table))


def test_other_inputs_of_predict(loaded: mlflow.pyfunc.PyFuncModel, images: list[str]) -> None:
    one = loaded.predict([{"image": images[0]}])
    for given in (images[0], {"image": images[0]}, np.array(images[:1]), np.array([images[:1]]),
                  {"image": images[:1]}, base64.b64decode(images[0])):  # fmt: skip
        assert loaded.predict(given) == one
    with pytest.raises(mlflow.MlflowException, match="Send"):
        loaded.predict(5)


def test_a_spark_udf_gets_states(loaded: mlflow.pyfunc.PyFuncModel, images: list[str]) -> None:
    """What MLflow's `spark_udf` does with a single column and a string result, without Spark."""
    result = loaded.predict(pd.DataFrame({"0": images}))
    assert isinstance(result, pd.DataFrame)
    found = result.map(str)[result.columns[0]]
    assert list(found) == [a["state"]["label"] for a in loaded.predict(images)]
    numbers = result.select_dtypes(include=(np.number,)).astype(np.float64)
    assert numbers[numbers.columns[0]].between(0, 1).all()


def test_mlflow_evaluates_it(champion: str, images: list[str]) -> None:
    table = pd.DataFrame({"image": images * 4, "label": [*STATES, *STATES, *STATES]})
    result = mlflow.models.evaluate(
        champion,
        table,
        targets="label",
        model_type="classifier",
        model_config={"column": "state"},
        evaluator_config={"log_model_explainability": False, "log_explainer": False},
    )
    assert 0 <= result.metrics["accuracy_score"] <= 1


@pytest.mark.parametrize("server", ["stock", "ours"])
def test_payloads_that_people_send(
    url: str, bundle_folder: Path, tmp_path: Path, images: list[str], server: str
) -> None:
    """Both servers understand the same forms and answer alike."""
    items = [{"image": image} for image in images]
    lists = [
        {"inputs": items},
        {"instances": items},
        {"inputs": images},
        {"inputs": {"image": images}},
    ]
    tables = [
        {"dataframe_records": items},
        {"dataframe_split": {"columns": ["image"], "data": [[image] for image in images]}},
        {"dataframe_split": {"columns": ["image", "sun_side"], "index": [0, 1, 2],
                             "data": [[image, None] for image in images]}},
    ]  # fmt: skip
    refused = [{}, {"inputs": 5}, {"inputs": []}, {"data": items}, {"dataframe_split": items},
               {"dataframe_records": 5}, {"inputs": "no image"}]  # fmt: skip
    with contextlib.ExitStack() as stack:
        if server == "ours":
            url = stack.enter_context(live_server(tmp_path, bundle_folder)).url
        first, *others = [_post(url, body).json()["predictions"] for body in lists]
        assert [p["error"] for p in first] == [None] * 3
        for other in others:
            assert _states(other) == _states(first)
        for body in tables:
            rows = _post(url, body).json()["predictions"]
            assert [row["state"] for row in rows] == _states(first)
            assert [row["error_code"] for row in rows] == [None] * 3
        for single in ({"inputs": images[0]}, {"inputs": items[0]}, {"instances": items[:1]}):
            assert _states(_post(url, single).json()["predictions"]) == _states(first[:1])
        for body in refused:
            reply = _post(url, body)
            assert 400 <= reply.status_code < 500, body
        if server == "ours":
            assert "dataframe_split" in _post(url, {"data": items}).json()["detail"]
            twice = {"dataframe_split": {"columns": ["image", "image"], "data": [images[:2]]}}
            assert "'image' more than once" in _post(url, twice).json()["detail"]


def _states(predictions: list[dict]) -> list[str]:
    return [prediction["state"]["label"] for prediction in predictions]
