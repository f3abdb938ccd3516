"""Serve the champion with stock MLflow, and classify craters it was not trained on."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from lunar_models.catalogue.table import read_catalogue
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping.single import extract_crop
from lunar_models.synthetic.synthesize import synthesize
from steps.shared.pipeline import DEMO_MODEL
from steps.shared.registry import example

PORT = 5001
MODEL = f"models:/{DEMO_MODEL}@champion"
_START_SECONDS = 120
_PLACE = ["longitude_deg", "latitude_deg", "diameter_km"]


def main() -> None:
    """Start the server, send one new crater of each state, print the answers, stop."""
    crops, truth = new_craters()
    with model_server():
        answers = ask([example(crop)[0] for crop in crops])
    for crater, answer in zip(truth.itertuples(), answers, strict=True):
        print(f"\nA new crater, truly in state {crater.state}; the model answers:")
        print(json.dumps(_shortened(answer), indent=2))
    print(
        "\nNext: `make ui`, then http://localhost:5000 for the runs, charts and figures;"
        "\n      `make serve` to keep the model at http://localhost:5001/invocations."
    )


def new_craters() -> tuple[list[Any], pd.DataFrame]:
    """Make one (64, 64) uint8 crop per state from a Moon with another seed; return their states."""
    with tempfile.TemporaryDirectory() as folder:
        moon = synthesize(
            SynthesizeConfig(output=folder, width_px=800, height_px=800, crater_count=60, seed=1)
        )
        catalogue, _ = read_catalogue(moon.catalogue_path)
        truth = pd.read_csv(moon.truth_path, dtype={"CRATER_ID": str})
        table = catalogue.merge(truth, left_on="crater_id", right_on="CRATER_ID")
        chosen = table.sort_values("diameter_km").groupby("state").tail(1).sort_values("state")
        crops = [
            extract_crop(
                moon.mosaic_path,
                longitude_deg=float(longitude),
                latitude_deg=float(latitude),
                diameter_km=float(diameter),
            )
            for longitude, latitude, diameter in chosen[_PLACE].to_numpy()
        ]
    return crops, chosen


@contextmanager
def model_server() -> Iterator[None]:
    """Run `mlflow models serve` on the champion until the end of the block."""
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", MODEL]
    options = ["--env-manager", "local", "--port", str(PORT)]
    # A process group of its own: the server starts workers, which must stop with it.
    server = subprocess.Popen([*command, *options], start_new_session=True)
    try:
        _wait_until_ready(server)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_until_ready(server: "subprocess.Popen[bytes]") -> None:
    for _ in range(_START_SECONDS):
        if server.poll() is not None:
            raise SystemExit(f"The model server ended with code {server.returncode}; see above.")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/ping", timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise SystemExit(f"The model server did not answer within {_START_SECONDS} s.")


def ask(inputs: list[dict[str, str]]) -> list[dict[str, Any]]:
    """POST crops to the served model and return its answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/invocations",
        data=json.dumps({"inputs": inputs}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        answers: list[dict[str, Any]] = json.load(reply)["predictions"]
    return answers


def _shortened(answer: dict[str, Any]) -> dict[str, Any]:
    embedding = answer["embedding"]
    return {
        **answer,
        "embedding": f"{len(embedding)} numbers: {embedding[:3]} …",
        "similar": answer["similar"][:1],
    }


if __name__ == "__main__":
    main()
