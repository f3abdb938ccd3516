"""Whose model the cache holds: two projects must never share one pointer."""

from pathlib import Path

import pytest

from serving.app.follower import Follower
from serving.app.pointer import Pointer

CHAMPION = "models:/craters@champion"


@pytest.fixture
def pointer_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where a server started in `folder` keeps its pointer."""

    def find(folder: str, tracking: str | None, uri: str = CHAMPION, registry: str = "") -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry)
        if tracking is None:
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        else:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
        return Follower(uri, tmp_path / "cache", 1.0).file

    return find


RELATIVE = [None, "", "sqlite:///mlflow.db", "mlruns", "file:mlruns", "./mlruns"]
ABSOLUTE = [
    "http://127.0.0.1:5000",
    "https://mlflow.moon.org/store",
    "sqlite:////srv/mlflow.db",
    "postgresql+psycopg2://host/db",
    "file:///srv/mlruns",
    "/srv/mlruns",
]


@pytest.mark.parametrize("tracking", RELATIVE)
def test_a_store_of_the_working_folder_is_another_in_another_folder(pointer_file, tracking):
    assert pointer_file("mine", tracking) != pointer_file("yours", tracking)
    assert pointer_file("mine", tracking) == pointer_file("mine", tracking)


@pytest.mark.parametrize("tracking", ABSOLUTE)
def test_an_absolute_store_is_the_same_from_everywhere(pointer_file, tracking):
    assert pointer_file("mine", tracking) == pointer_file("yours", tracking)


def test_other_stores_and_models_have_other_pointers(pointer_file):
    files = [pointer_file("mine", tracking) for tracking in ABSOLUTE]
    files.append(pointer_file("mine", ABSOLUTE[0], "models:/craters@challenger"))
    files.append(pointer_file("mine", ABSOLUTE[0], registry="http://other"))
    assert len(set(files)) == len(files)


def test_a_relative_folder_is_that_of_the_working_folder(pointer_file):
    assert pointer_file("mine", ABSOLUTE[0], "bundle") != pointer_file(
        "yours", ABSOLUTE[0], "bundle"
    )


def test_the_pointer_of_another_project_is_not_read(tmp_path, pointer_file):
    Pointer(folder="/mine", name="craters", version="1").write(pointer_file("mine", None))
    assert Pointer.read(pointer_file("yours", None)) == Pointer()
