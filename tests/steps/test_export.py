"""A registered or packaged encoder is written for other programs."""

import json

import mlflow
import pytest

from lunar_models.encoders.checkpoint import Checkpoint
from steps.export import main


def test_the_packaged_encoder_is_written_with_its_card_and_logged(run_step, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "export"
    result = run_step(main, encoder_uri="pretrained:craters-48", output=folder)
    assert result.exit_code == 0
    assert Checkpoint.load(folder).encoder.name == "inverse_rendering"
    assert json.loads((folder / "config.json").read_text())["model_type"] == "inverse_rendering"
    assert "# craters-48" in (folder / "README.md").read_text()
    run = mlflow.last_active_run()
    assert 0 <= run.data.metrics["export/onnx_difference"] <= 1e-4
    logged = mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="export")
    assert {path.path.split("/")[1] for path in logged} == {
        "README.md",
        "config.json",
        "model.onnx",
        "model.safetensors",
        "preprocessor_config.json",
    }


def test_no_such_encoder_is_said(run_step, tmp_path):
    result = run_step(main, encoder_uri="pretrained:nothing", output=tmp_path / "export")
    assert result.exit_code == 2
    assert "pretrained:craters-48" in result.output
