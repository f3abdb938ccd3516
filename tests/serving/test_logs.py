"""Log lines: one JSON object each, written together, and at once where something is wrong."""

import errno
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import mlflow
import pytest
import requests
from live_server import wait_for

from lunar_models.errors import CheckpointError, ConfigError
from serving.app.logs import BatchingHandler, JsonFormatter
from serving.batch.model import download
from serving.cli.options import user_errors


def logger(stream: io.StringIO) -> logging.Logger:
    handler = BatchingHandler(stream)
    handler.setFormatter(JsonFormatter())
    made = logging.Logger("serving.test", logging.INFO)
    made.addHandler(handler)
    return made


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


AWAY = {
    "MLFLOW_TRACKING_URI": "http://ana:SECRETPW@127.0.0.1:1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


def test_password_of_the_tracking_server_is_not_logged(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    command = [sys.executable, "-m", "serving", "--model", "models:/x@champion", "--port", "0"]
    with open(said, "w") as stream:
        process = subprocess.Popen(command, env=os.environ | AWAY, stdout=stream, stderr=stream)
        try:
            wait_for(lambda: "registry out of reach" in said.read_text(), 60)
        finally:
            process.terminate()
            process.wait(30)
    assert "ana:***@127.0.0.1:1" in said.read_text()
    assert "SECRETPW" not in said.read_text()


def test_password_of_the_tracking_server_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = mlflow.get_tracking_uri()
    for name, value in AWAY.items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(AWAY["MLFLOW_TRACKING_URI"])  # other tests of this process set it, too
    try:
        with pytest.raises(CheckpointError) as told:
            download("models:/x@champion")
    finally:
        mlflow.set_tracking_uri(before)
    assert "ana:***@127.0.0.1:1" in str(told.value)
    with pytest.raises(click.ClickException) as shown, user_errors():
        raise ConfigError(f"{AWAY['MLFLOW_TRACKING_URI']} is away")
    assert "SECRETPW" not in str(told.value) + shown.value.format_message()


def test_lines_come_soon_and_in_order() -> None:
    stream = io.StringIO()
    log = logger(stream)
    for number in range(100):
        log.info("request", extra={"number": number})
    wait_for(lambda: stream.getvalue().count("\n") == 100, 10)
    assert [line["number"] for line in lines(stream)] == list(range(100))
    assert {(line["level"], line["message"]) for line in lines(stream)} == {("info", "request")}


def test_what_is_wrong_is_written_at_once() -> None:
    stream = io.StringIO()
    log = logger(stream)
    log.info("before")
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("it broke")
    assert [line["message"] for line in lines(stream)] == ["before", "it broke"]
    assert "boom" in lines(stream)[1]["traceback"]


def test_a_stream_that_is_gone_harms_nobody() -> None:
    stream = io.StringIO()
    log = logger(stream)
    stream.close()
    log.error("nobody reads this")
    assert not log.handlers[0]._records  # nor does it wait for ever


class Disk(io.StringIO):
    """A stream to a disk that may be full."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_full_disk_costs_lines_and_no_request() -> None:
    disk = Disk()
    log = logger(disk)
    log.info("lost")
    log.error("lost")
    disk.full = False
    log.error("kept")
    assert lines(disk)[-1]["message"] == "kept"


SERVER = """
import logging, sys
from types import SimpleNamespace
import uvicorn
from serving.app import logs
from serving.app.worker import DrainingServer, bind

async def app(scope, receive, send):
    if scope["type"] == "http":
        number = int(scope["path"][1:])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        logging.getLogger("serving.access").info("request", extra={"number": number})

logs.configure("info")
door = bind("127.0.0.1", 0)
door.listen()
print(door.getsockname()[1], flush=True)
state = SimpleNamespace(draining=False, config=SimpleNamespace(drain_s=float(sys.argv[1])))
DrainingServer(uvicorn.Config(app, log_config=None, access_log=False), state).run([door])
"""


@pytest.mark.parametrize(("drain_s", "signals"), [(0.0, 1), (60.0, 2)])
def test_no_line_is_lost_when_the_server_ends(drain_s: float, signals: int) -> None:
    """After one signal, and after a second that cuts the draining short."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(drain_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    port = int(process.stdout.readline())
    with requests.Session() as session:
        for number in range(200):
            assert session.get(f"http://127.0.0.1:{port}/{number}", timeout=30).ok
    os.kill(process.pid, signal.SIGTERM)
    if signals == 2:
        time.sleep(0.5)  # two that wait to be taken are one
        os.kill(process.pid, signal.SIGTERM)
    wait_for(lambda: process.poll() is not None, 30)
    _, written = process.communicate(timeout=60)
    assert process.returncode == 0
    found = [json.loads(line) for line in written.splitlines()]
    assert [line["number"] for line in found if "number" in line] == list(range(200))
