"""The step key: changes with whatever changes the result, and with nothing else."""

from pathlib import Path

import pytest

from lunar_models.config.base import StepConfig, param
from lunar_models.config.train import TrainConfig
from steps.shared import cache
from steps.shared.cache import digest, file_digest, step_key


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
    monkeypatch.setattr(cache, "_WHOLE_FILE_BYTES", 1000)
    monkeypatch.setattr(cache, "_SAMPLE_BYTES", 16)
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
