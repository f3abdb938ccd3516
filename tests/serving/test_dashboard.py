"""The dashboard and the alerts ask for series that the application has."""

import json
import re
import time
from pathlib import Path

import pytest
import yaml
from crop_images import item
from live_server import live_server

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def expressions() -> dict[str, str]:
    """Title -> PromQL of everything that asks Prometheus."""
    board = json.loads((DEPLOY / "grafana/dashboards/lunar-models.json").read_text())
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    found |= {r["alert"]: r["expr"] for group in rules["groups"] for r in group["rules"]}
    manifests = (DEPLOY / "kubernetes/scaling.yaml").read_text()
    return found | {"autoscaler": re.findall(r"metric: {name: (\w+)}", manifests)[0]}


@pytest.fixture(scope="module")
def exposition(bundle_folder, parts, tmp_path_factory) -> str:
    with live_server(tmp_path_factory.mktemp("dashboard"), bundle_folder) as live:
        body = {"inputs": [item(parts.crop_set.crops[0]), {"image": "no image"}]}
        assert live.post("/v1/classify", json=body).status_code == 200
        for _ in range(50):  # what a worker counts reaches the others a moment after its answer
            text = live.get("/metrics").text
            if 'lunar_crops_total{error="none"}' in text:
                break
            time.sleep(0.1)
        return text


@pytest.mark.parametrize("title", expressions())
def test_what_is_asked_for_is_there(title, exposition):
    text = expressions()[title]
    names = set(re.findall(r"\blunar_\w+", text))
    assert names or title == "ApplicationDown"
    series = dict(re.findall(r"^(lunar_\w+)(?:\{([^}]*)\})? ", exposition, re.MULTILINE))
    labels = {label for name in names for label in re.findall(r"(\w+)=", series[name])}
    asked = re.findall(r"\{(\w+)=~?\"", text)
    asked += [w for group in re.findall(r"by \(([^)]*)\)", text) for w in group.split(", ")]
    assert {*asked} - {"job", "instance"} <= labels  # those two are Prometheus' own


def test_a_series_that_is_not_there_would_be_noticed(exposition):
    assert not re.search(r"^lunar_request_total", exposition, re.MULTILINE)
    assert re.search(r'^lunar_crops_total\{error="none"\} [1-9]', exposition, re.MULTILINE)
