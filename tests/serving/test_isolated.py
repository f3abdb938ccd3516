"""A logged model answers where only its own requirements are installed."""

import json
import subprocess
import sys
from pathlib import Path

import isolated
import mlflow
import numpy as np
from crop_images import item
from service_parts import Parts

_ASK = """
import json, sys
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
items = json.load(open(sys.argv[2]))
(answer,) = model.predict(items)
import pandas as pd
table = model.predict(pd.DataFrame(items))
import lunar_models, serving
loaded = [m for m in sys.argv[3].split() if m in sys.modules]
print(json.dumps({"error": answer["error"], "state": answer["state"]["label"],
                  "similar": len(answer["similar"]), "table": table["state"][0],
                  "code": serving.__file__, "loaded": loaded}))
"""
UNWANTED = ("rasterio", "pyproj", "geopandas", "shapely", "matplotlib", "umap", "optuna",
            "transformers", "cv2")  # fmt: skip


def test_a_model_needs_nothing_but_its_requirements(
    champion: str, parts: Parts, tmp_path: Path
) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(champion, dst_path=str(tmp_path)))
    (tmp_path / "ask.py").write_text(_ASK)
    (tmp_path / "items.json").write_text(json.dumps([item(np.array(parts.crop_set.crops[3]))]))
    command = [
        sys.executable, isolated.__file__, folder / "requirements.txt", "ask.py",
        folder, "items.json", " ".join(UNWANTED),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["error"] is None
    assert answer["state"] == answer["table"]
    assert answer["similar"] == 5
    assert answer["code"].startswith(str(folder))
    assert answer["loaded"] == []


def test_what_is_not_required_is_not_there(tmp_path: Path) -> None:
    """The isolation itself: rasterio is installed here, and not for who requires numpy alone."""
    (tmp_path / "requirements.txt").write_text("numpy\n")
    (tmp_path / "ask.py").write_text("import numpy\nimport rasterio\n")
    command = [sys.executable, isolated.__file__, "requirements.txt", "ask.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "No module named 'rasterio' (not required)" in done.stderr
    assert "lunar-models" not in isolated.closure(["mlflow"])
    assert {"mlflow", "pandas", "numpy"} <= isolated.closure(["mlflow"])
