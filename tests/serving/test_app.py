"""The HTTP application: same answers as the pyfunc, and clear problems for everything else."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from crop_images import encoded, item
from live_server import Live, live_server, wait_for
from service_parts import Parts

from serving.app.pointer import Pointer


def one(reply: requests.Response) -> dict:
    assert reply.status_code == 200, reply.text
    (prediction,) = reply.json()["predictions"]
    return prediction


def test_invocations_answers_as_the_pyfunc(server: Live, champion: str, crops: np.ndarray) -> None:
    items = [*(item(crop) for crop in crops[:70]), {"image": "####"}, "no object"]
    params = {"top_k": 2}
    reply = server.post("/invocations", json={"inputs": items, "params": params})
    found = reply.json()["predictions"]
    expected = mlflow.pyfunc.load_model(champion).predict(items, params=params)
    for ours, theirs in zip(found, json.loads(json.dumps(expected)), strict=True):
        ours.pop("model"), theirs.pop("model")
        if theirs["error"] is None:
            np.testing.assert_allclose(
                ours.pop("embedding"), theirs.pop("embedding"), rtol=1e-4, atol=1e-5
            )
        assert _rounded(ours) == _rounded(theirs)


def _rounded(value):
    """Batches of other sizes add up in another order."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def test_json_raw_and_form_bodies_answer_alike(server: Live, crops: np.ndarray) -> None:
    png, query = encoded(crops[3]), {"top_k": 3, "sun_side": "east"}
    body = {"inputs": [item(crops[3], sun_side="east")], "params": {"top_k": 3}}
    by_json = one(server.post("/v1/classify", json=body))
    headers = {"content-type": "image/png"}
    by_raw = one(server.post("/v1/classify", params=query, data=png, headers=headers))
    files = [("image", ("a.png", png, "image/png"))]
    by_form = one(server.post("/v1/classify", data=query, files=files))
    assert by_json == by_raw == by_form
    assert len(by_json["similar"]) == 3


def test_a_form_may_hold_several_images(server: Live, crops: np.ndarray) -> None:
    files = [("image", ("x", encoded(crop), "image/png")) for crop in crops[:3]]
    reply = server.post("/v1/embed", files=files).json()["predictions"]
    assert len({tuple(p["embedding"]) for p in reply}) == 3
    assert "state" not in reply[0]


@pytest.mark.parametrize("kind", ["NPY", "TIFF", "JPEG"])
def test_raw_bodies_of_every_format(server: Live, crops: np.ndarray, kind: str) -> None:
    headers = {"content-type": "application/octet-stream"}
    data = encoded(crops[3], kind)
    assert one(server.post("/v1/classify", data=data, headers=headers))["error"] is None


def test_craters_of_the_reference_set(server: Live, crops: np.ndarray) -> None:
    crater = server.get("/v1/craters/00-1-000007", params={"top_k": 4}).json()
    direct = one(server.post("/v1/classify", json={"inputs": [item(crops[7], sun_side="east")]}))
    assert crater["prediction"]["state"]["label"] == direct["state"]["label"]
    assert len(crater["prediction"]["similar"]) == 4
    assert "00-1-000007" not in [s["crater_id"] for s in crater["prediction"]["similar"]]
    image = server.get("/v1/craters/00-1-000007/image.png")
    assert image.headers["content-type"] == "image/png"
    assert server.get("/v1/craters/nobody").status_code == 404


def test_similar_by_id_and_by_place(server: Live, parts: Parts) -> None:
    row = parts.crop_set.metadata.iloc[7]
    by_id = server.get("/v1/similar", params={"crater_id": "00-1-000007", "top_k": 4}).json()
    place = {"longitude_deg": row["longitude_deg"], "latitude_deg": row["latitude_deg"]}
    by_place = server.get("/v1/similar", params={**place, "top_k": 4}).json()
    assert by_id == by_place
    assert len(by_id["similar"]) == 4
    assert server.get("/v1/similar").status_code == 400
    nowhere = {"longitude_deg": 170, "latitude_deg": -80}
    assert server.get("/v1/similar", params=nowhere).status_code == 404


def test_clusters_and_map(server: Live) -> None:
    cluster = server.get("/v1/clusters/0", params={"top_k": 5}).json()
    distances = [c["distance"] for c in cluster["craters"]]
    assert distances == sorted(distances)
    table = server.get("/v1/map").json()
    assert table["total"] == len(table["crater_id"]) == 120
    assert table["diameter_km"] == sorted(table["diameter_km"], reverse=True)


def test_without_a_mosaic_places_cannot_be_cut(server: Live) -> None:
    place = {"longitude_deg": 0, "latitude_deg": 0, "diameter_km": 5}
    reply = server.get("/v1/locate", params=place)
    assert (reply.status_code, reply.json()["code"]) == (404, "no_mosaic")


def test_operations(server: Live) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    ready = server.get("/ready").json()
    assert (ready["ready"], ready["model"]["version"]) == (True, "1")
    model = server.get("/v1/model").json()
    assert (model["encoder"], model["reference_craters"]) == ("pca", 120)
    text = server.get("/metrics").text
    assert 'lunar_requests_total{route="/health",status="200"}' in text
    assert "lunar_batch_crops_count" in text
    page = server.get("/")
    assert "Lunar Models" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_a_new_champion_takes_over_and_a_broken_one_does_not(
    bundle_folder: Path, parts: Parts, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(bundle_folder, tmp_path / "broken"))
    (broken / "head" / "head.npz").write_bytes(b"tampered")
    second = Path(shutil.copytree(bundle_folder, tmp_path / "second"))
    with live_server(tmp_path, bundle_folder) as live:

        def ready() -> dict:
            return live.get("/ready").json()

        Pointer(folder=str(broken), name="craters", version="2").write(live.pointer_file)
        wait_for(lambda: ready()["load_problem"])
        now = ready()
        assert (now["ready"], now["model"]["version"], now["newest_version"]) == (True, "1", "2")
        assert "head.npz" in now["load_problem"]
        Pointer(folder=str(second), name="craters", version="3").write(live.pointer_file)
        wait_for(lambda: ready()["model"]["version"] == "3")
        assert ready()["load_problem"] is None


def test_openapi_describes_every_body(server: Live) -> None:
    schema = server.get("/openapi.json").json()
    for path in ("/invocations", "/v1/classify", "/v1/embed", "/v1/similar"):
        body = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert body["example"]["inputs"]
        assert one_example_works(server, path, body["example"])
    assert "image" in schema["components"]["schemas"]["CropRequest"]["properties"]


def references(node: object) -> Iterator[str]:
    """Every ``$ref`` below a node of a JSON schema."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "$ref":
            yield value
        elif isinstance(value, dict | list):
            yield from references(value)


def test_every_reference_of_the_openapi_leads_somewhere(server: Live) -> None:
    schema = server.get("/openapi.json").json()
    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}
    assert set(references(schema)) <= known


def one_example_works(server: Live, path: str, example: dict) -> bool:
    return one(server.post(path, json=example))["error"] is None
