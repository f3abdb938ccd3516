"""The package itself: cheap to import, and each public name leads somewhere."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lunar_models

ROOT = Path(__file__).parents[2]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, lunar_models; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"numpy", "pandas", "torch", "rasterio", "sklearn", "mlflow", "numba"}


@pytest.mark.parametrize("name", lunar_models.__all__)
def test_public_names_are_there_and_listed(name: str) -> None:
    assert callable(getattr(lunar_models, name))
    assert name in dir(lunar_models)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lunar_models.nothing


GPU_PACKAGES = {
    "torch", "transformers", "numba", "cv2", "pandas", "pyarrow", "sklearn", "pydantic",
    "pydantic_core", "benchmarks", "lunar_models",
}  # fmt: skip
"""What the machine with a GPU has; and what these need themselves, which is not forbidden below."""


def _run_gpu_benchmark(forbidden: set[str]) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\n"
        f"for name in {sorted(forbidden)}: sys.modules[name] = None\n"
        "sys.argv = ['gpu', '--help']\n"
        "from benchmarks.gpu import main\n"
        "import lunar_models.encoders.build, lunar_models.training.trainer\n"
        "main()\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def test_the_gpu_benchmark_needs_only_what_its_machine_has() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[^A-Za-z0-9_-]", each)[0].lower() for each in declared}
    imports = {"scikit-learn": "sklearn", "opencv-python-headless": "cv2", "pyyaml": "yaml",
               "pillow": "PIL"}  # fmt: skip
    own = {
        "numpy",
        "scipy",
        "yaml",
        "tqdm",
        "packaging",
        "safetensors",
        "requests",
        "threadpoolctl",
    }
    forbidden = {imports.get(name, name.replace("-", "_")) for name in names} - GPU_PACKAGES - own
    assert {"rasterio", "geopandas", "mlflow", "matplotlib"} <= forbidden
    done = _run_gpu_benchmark(forbidden)
    assert done.returncode == 0, done.stderr
    done = _run_gpu_benchmark({"pydantic"})
    assert done.returncode == 1
    assert "needs pydantic" in done.stderr
