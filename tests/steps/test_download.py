"""The download step against a real server, which breaks the connection once."""

import hashlib
from pathlib import Path

import mlflow
from download_server import CONTENT, running

from steps.download import main


def test_files_are_fetched_and_recorded(run_step, last_run, tmp_path):
    with running() as server:
        server.drops = [1 << 16]
        urls = {"mosaic_url": server.url, "catalogue_url": "none"}
        result = run_step(main, output=tmp_path, **urls)
    assert result.exit_code == 0
    mosaic = tmp_path / "moon.tif"
    assert mosaic.read_bytes() == CONTENT
    run = last_run()
    assert run.data.tags["output.mosaic"] == str(mosaic)
    assert "output.catalogue" not in run.data.tags
    [recorded] = run.inputs.dataset_inputs
    assert recorded.dataset.digest == hashlib.sha256(CONTENT).hexdigest()[:32]


def test_a_refusal_is_a_failed_run_and_exit_code_2(run_step, last_run, tmp_path):
    with running() as server:
        server.statuses = [404]
        result = run_step(main, output=tmp_path, mosaic_url=server.url, catalogue_url="none")
    assert result.exit_code == 2
    assert "404" in result.output
    assert mlflow.get_run(last_run().info.run_id).info.status == "FAILED"
    assert not Path(tmp_path / "moon.tif").exists()
