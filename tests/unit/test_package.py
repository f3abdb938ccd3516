"""The package itself: cheap to import, and each public name leads somewhere."""

import subprocess
import sys

import pytest

import lunar_models


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
