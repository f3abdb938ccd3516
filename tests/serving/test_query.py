"""Query parameters and options that a route would not heed are refused by name."""

import numpy as np
import pandas as pd
import pytest
from crop_images import encoded, item
from live_server import Live

from lunar_models.config.serve import ServeConfig
from serving.app.application import create_app


def test_every_route_of_the_interface_refuses_what_it_does_not_know(
    server: Live, bundle_folder, tmp_path
) -> None:
    app = create_app(ServeConfig(model=str(bundle_folder)), tmp_path / "pointer.json")
    paths = {path for path, methods in app.openapi()["paths"].items() if "get" in methods}
    asked = {path for path in paths if path.startswith("/v1/") and "/label/" not in path}
    assert len(asked) >= 12
    for path in asked:
        given = {"{crater_id}": "c0", "{cluster_id}": "0", "{name}": "x", "{level}": "0",
                 "{column}": "0", "{row}": "0"}  # fmt: skip
        for name, value in given.items():
            path = path.replace(name, value)
        reply = server.get(path, params={"nonsense": "1"})
        assert reply.status_code == 400, path
        assert reply.json()["code"] == "bad_parameter"
        assert "no query parameter 'nonsense'; this path takes " in reply.json()["detail"]


def test_a_misspelt_parameter_is_told_with_the_known_ones(server: Live) -> None:
    place = {"longitude_deg": 1, "latitude_deg": 2, "diameter_km": 3, "topk": 1}
    detail = server.get("/v1/locate", params=place).json()["detail"]
    known = "longitude_deg, latitude_deg, diameter_km, top_k, return_embedding"
    assert detail == f"There is no query parameter 'topk'; this path takes {known}."
    twice = server.get("/v1/similar?crater_id=a&crater_id=b")
    assert (twice.status_code, twice.json()["code"]) == (400, "bad_parameter")
    assert "'crater_id' is given more than once" in twice.json()["detail"]


def test_probes_and_pages_are_not_asked_what_is_appended(server: Live) -> None:
    for path in ("/health", "/ready", "/", "/search"):
        assert server.get(path, params={"like": "c0"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/embed", "/v1/similar", "/invocations"])
def test_options_of_a_json_body_do_not_go_into_the_address(
    server: Live, crops: np.ndarray, path: str
) -> None:
    reply = server.post(path, params={"top_k": 3}, json={"inputs": [item(crops[0])]})
    assert reply.status_code == 400
    assert "'top_k' goes into its 'params'" in reply.json()["detail"]


def test_a_raw_image_takes_known_parameters_only(server: Live, crops: np.ndarray) -> None:
    reply = server.post(
        "/v1/classify",
        params={"topk": 3},
        data=encoded(crops[0]),
        headers={"content-type": "image/png"},
    )
    assert reply.status_code == 400
    assert "topk" in reply.json()["detail"]


def test_one_column_of_a_table_is_what_mlflow_answers(
    server: Live, champion: str, crops: np.ndarray
) -> None:
    import mlflow

    frame = pd.DataFrame([item(crop) for crop in crops[:3]])
    asked = {"dataframe_split": frame.to_dict(orient="split"), "params": {"column": "state"}}
    reply = server.post("/invocations", json=asked)
    assert reply.status_code == 200
    theirs = mlflow.pyfunc.load_model(champion).predict(frame, params={"column": "state"})
    assert reply.json()["predictions"] == [{"state": state} for state in theirs]


def test_a_column_that_is_not_there_is_refused(server: Live, crops: np.ndarray) -> None:
    records = {"dataframe_records": [item(crops[0])]}
    reply = server.post("/invocations", json=records | {"params": {"column": "age"}})
    assert reply.status_code == 400
    assert "'column' is none of state, " in reply.json()["detail"]
    items = {"inputs": [item(crops[0])], "params": {"column": "state"}}
    for path, body in (
        ("/invocations", items),
        ("/v1/embed", records | {"params": {"column": "state"}}),
    ):
        reply = server.post(path, json=body)
        assert reply.status_code == 400
        assert "not sent as one" in reply.json()["detail"]
