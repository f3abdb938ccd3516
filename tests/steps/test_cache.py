"""The step key: changes with whatever changes the result, and with nothing else."""

import re
from contextlib import suppress
from pathlib import Path

import mlflow
import numpy as np
import pytest
from affine import Affine
from planted_moon import GEOGRAPHIC, write_array

from lunar_models.config.base import StepConfig, param
from lunar_models.config.train import TrainConfig
from serving.cli.options import UserError
from steps.shared import cache, inputs
from steps.shared.cache import find_finished, step_key
from steps.shared.inputs import digest, file_digest
from steps.shared.store import prepare


class Sample(StepConfig):
    """One parameter of each role."""

    source: str = param(help="Input.", role="input")
    count: int = param(1, help="Setting.")
    output: str = param("out", help="Output.", role="output")
    workers: int = param(1, help="Runtime.", role="runtime")


@pytest.fixture
def config(tmp_path):
    (tmp_path / "in.csv").write_text("a")
    return Sample(source=str(tmp_path / "in.csv"))


def test_key_ignores_output_and_runtime(config):
    key = step_key("s", config)
    assert step_key("s", config.replace(output="elsewhere", workers=8)) == key


def test_key_follows_settings_step_and_code(config, monkeypatch):
    keys = {step_key("s", config), step_key("t", config), step_key("s", config.replace(count=2))}
    monkeypatch.setattr(cache, "code_digest", lambda: "other code")
    keys.add(step_key("s", config))
    assert len(keys) == 4


def test_key_follows_the_content_of_inputs_not_their_place(config, tmp_path):
    key = step_key("s", config)
    (tmp_path / "moved.csv").write_text("a")
    assert step_key("s", config.replace(source=str(tmp_path / "moved.csv"))) == key
    (tmp_path / "in.csv").write_text("b")
    assert step_key("s", config) != key


def test_the_code_is_all_that_makes_the_artifacts(monkeypatch):
    seen = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: seen.append(file.name) or read_bytes(file))
    cache.code_digest.__wrapped__()
    assert {"cache.py", "trainer.py", "page.html", "main.js", "page.css", "report.html"} <= {*seen}
    assert not any(name.endswith(".pyc") for name in seen)


def test_folder_digest_sees_names_and_contents(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a").write_text("1")
    first = digest(str(tmp_path / "f"))
    (tmp_path / "f" / "a").rename(tmp_path / "f" / "b")
    assert digest(str(tmp_path / "f")) != first


def test_a_uri_stands_for_itself():
    assert digest("models:/m-123") == "models:/m-123"


def test_large_files_are_sampled_but_changes_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "_WHOLE_FILE_BYTES", 1000)
    monkeypatch.setattr(inputs, "_SAMPLE_BYTES", 16)
    file = tmp_path / "mosaic"
    file.write_bytes(bytes(100_000))
    first = file_digest(file)
    assert file_digest(file) == first
    data = bytearray(file.read_bytes())
    data[-1] = 1
    file.write_bytes(data)
    assert file_digest(file) != first


def test_other_weights_in_the_folder_to_start_from_make_another_key(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"first")
    config = TrainConfig(crops="", encoder="vit_mae", pretrained=str(tmp_path))
    key = step_key("train", config)
    weights.write_bytes(b"second")
    assert step_key("train", config) != key


def test_the_tile_of_a_vrt_counts(tmp_path):
    tile = write_array(
        tmp_path / "tile.tif",
        np.ones((8, 8), np.uint8),
        crs=GEOGRAPHIC,
        transform=Affine(1, 0, 0, 0, -1, 0),
    )
    vrt = tmp_path / "moon.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="1">tile.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    first = digest(str(vrt))
    assert digest(str(vrt)) == first
    data = bytearray(tile.read_bytes())
    data[-1] ^= 1
    tile.write_bytes(data)
    assert digest(str(vrt)) != first


class Reader(StepConfig):
    """A step that reads models."""

    model: str = param(help="Input.", role="input")
    others: tuple[str, ...] = param((), help="Inputs.", role="input")


def _register(client, name: str) -> str:
    """A registered version of a new logged model; its number."""
    experiment = mlflow.get_experiment_by_name("test").experiment_id
    model = client.create_logged_model(experiment)
    with suppress(mlflow.MlflowException):
        client.create_registered_model(name)
    version = client.create_model_version(name, f"models:/{model.model_id}")
    return str(version.version)


def test_an_alias_counts_as_the_version_it_names(store):
    client = mlflow.MlflowClient()
    first, second = _register(client, "enc"), _register(client, "enc")
    keys = []
    for number in (first, second):
        client.set_registered_model_alias("enc", "best", number)
        config = prepare(Reader(model="models:/enc@best", others=("pca", "models:/enc/latest")))
        assert config.model == f"models:/enc/{number}"
        assert config.others == ("pca", f"models:/enc/{second}")
        keys.append(step_key("s", config))
        assert digest("models:/enc@best") == digest(config.model)
    assert keys[0] != keys[1]


def test_a_registered_name_that_is_filled_anew_counts_anew(store):
    client = mlflow.MlflowClient()
    _register(client, "enc")
    before = digest("models:/enc/1")
    client.delete_registered_model("enc")
    _register(client, "enc")
    assert digest("models:/enc/1") != before


@pytest.mark.parametrize("uri", ["models:/enc@nobody", "models:/no@best", "models:/no/latest"])
def test_an_alias_of_nothing_is_refused(store, uri):
    _register(mlflow.MlflowClient(), "enc")
    with pytest.raises(UserError, match=re.escape(uri)):
        prepare(Reader(model=uri))


def _finished(**made: str) -> str:
    with mlflow.start_run() as run:
        mlflow.set_tag("step_key", "k")
        mlflow.set_tags({f"output.{name}": where for name, where in made.items()})
    return run.info.run_id


def test_a_run_whose_registered_version_is_gone_is_not_reused(store):
    client = mlflow.MlflowClient()
    experiment = mlflow.get_experiment_by_name("test").experiment_id
    number = _register(client, "svc")
    client.set_registered_model_alias("svc", "champion", number)
    run_id = _finished(version=f"models:/svc/{number}@champion")
    assert find_finished("k", experiment).info.run_id == run_id
    other = _register(client, "svc")
    client.set_registered_model_alias("svc", "champion", other)  # promoted: nothing is missing
    assert find_finished("k", experiment).info.run_id == run_id
    client.delete_registered_model_alias("svc", "champion")
    assert find_finished("k", experiment) is None
    client.set_registered_model_alias("svc", "champion", number)
    assert find_finished("k", experiment).info.run_id == run_id
    client.delete_model_version("svc", number)
    assert find_finished("k", experiment) is None


def test_a_run_whose_products_are_gone_is_not_reused(store, crop_set, tmp_path):
    experiment = mlflow.get_experiment_by_name("test").experiment_id
    with mlflow.start_run() as run:
        mlflow.log_text("x", "checkpoint/weights")
    _finished(
        crops=str(crop_set.path),
        head=f"runs:/{run.info.run_id}/checkpoint",
    )
    assert find_finished("k", experiment) is not None
    (crop_set.path / "crops.npy").unlink()
    assert find_finished("k", experiment) is None
    _finished(head=f"runs:/{run.info.run_id}/nothing")
    _finished(model="models:/m-" + "0" * 32)
    _finished(mosaic=str(tmp_path / "gone.tif"))
    assert find_finished("k", experiment) is None


@pytest.mark.parametrize("where", ["", "runs:/{run}", "runs:/{run}/", "runs:/", "runs:"])
def test_an_output_that_was_written_in_part_is_not_reused(store, where):
    """What a run names as made must be something in it, not the run or the working folder."""
    with mlflow.start_run() as run:
        mlflow.log_text("w", "encoder/weights")
        mlflow.set_tags({"step_key": "k", "output.x": f"runs:/{run.info.run_id}/encoder"})
    experiment = run.info.experiment_id
    assert find_finished("k", experiment) is not None
    mlflow.MlflowClient().set_tag(run.info.run_id, "output.x", where.format(run=run.info.run_id))
    assert find_finished("k", experiment) is None
