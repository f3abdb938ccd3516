"""A tracking server that goes away for a while, or for good, in the middle of a step."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from urllib3.util.retry import Retry

from lunar_models.config.base import StepConfig, param
from serving.cli.options import UserError
from steps.shared import outage
from steps.shared.outage import be_patient, store_errors
from steps.shared.store import prepare
from steps.shared.tracking import resolve_artifacts, step_run


class Sample(StepConfig):
    count: int = param(1, help="A number.")


FOLDER = {"files": [{"path": f"{n}.py", "is_dir": False, "file_size": 19} for n in range(60)]}


@pytest.fixture
def broken_server(monkeypatch):
    """Answers 503 so many times, then with an empty list of experiments.

    It always lists the files of a folder of artifacts, and offers them from the store behind it.
    """

    class Handler(BaseHTTPRequestHandler):
        left, seen, paths, refusal = 0, 0, [], None

        def answer(self):
            Handler.paths.append(self.path)
            if "?path=" in self.path or "server-info" in self.path:
                offers = {"multipart_downloads_enabled": True, "multipart_uploads_enabled": True}
                self.reply(200, FOLDER | offers)
                return
            Handler.seen += 1
            Handler.left -= 1
            if Handler.refusal is not None:
                self.reply(*Handler.refusal)
                return
            self.reply(503 if Handler.left >= 0 else 200, {"experiments": []})

        def reply(self, status, content):
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in (("BACKOFF_FACTOR", "0"), ("BACKOFF_JITTER", "0")):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(outage.RETRIES))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setattr(outage._OneLine, "said", False)
    mlflow.set_tracking_uri(f"http://127.0.0.1:{server.server_port}")
    yield Handler
    mlflow.set_tracking_uri(None)
    server.shutdown()


def test_a_server_that_comes_back_is_waited_for(broken_server, capfd):
    broken_server.left = 5
    prepare(Sample())
    assert broken_server.seen == 6
    said = capfd.readouterr()
    assert said.out.count("does not answer; trying again") == 1
    assert "Retrying" not in said.err


def test_a_server_that_stays_away_ends_the_step_with_one_sentence(broken_server):
    broken_server.left = 1000
    with pytest.raises(UserError, match=r"did not come back in time.*start the same command again"):
        prepare(Sample())
    assert broken_server.seen == outage.RETRIES + 1


@pytest.fixture
def waits(monkeypatch):
    """Seconds of every wait; nobody really waits."""
    waited = []
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "2")
    monkeypatch.setattr(outage.time, "sleep", waited.append)
    monkeypatch.setattr(Retry, "_sleep_backoff", lambda r: waited.append(r.get_backoff_time()))
    return waited


def test_the_files_of_a_model_wait_for_the_server_together(broken_server, waits):
    """One by one they would wait for hours."""
    broken_server.left = 100_000
    with pytest.raises(MlflowException) as caught:
        resolve_artifacts("mlflow-artifacts:/model")
    assert outage.is_outage(caught.value)
    assert 300 < sum(waits) < 400
    assert outage.os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == str(outage.RETRIES)


def test_a_download_starts_anew_when_the_server_is_back(broken_server, waits):
    broken_server.left = 300
    folder = resolve_artifacts("mlflow-artifacts:/model")
    assert len(list(folder.iterdir())) == len(FOLDER["files"])
    assert waits


def test_artifacts_are_fetched_from_the_tracking_server(broken_server):
    """Who may ask it may know neither address nor key of the object store behind it."""
    resolve_artifacts("mlflow-artifacts:/model")
    assert len([path for path in broken_server.paths if path.endswith(".py")]) == 60
    assert not [path for path in broken_server.paths if "presigned" in path]


def test_a_run_is_not_waited_for_twice(store, monkeypatch):
    """Ending the run of a step needs the same server that is away."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "8")
    with pytest.raises(UserError, match="did not come back"), step_run("s", Sample(), name="n"):
        raise MlflowException("API request to http://x failed with exception refused")
    assert outage.os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


def test_what_the_store_refuses_is_told_as_it_is():
    with pytest.raises(UserError, match="The tracking store says: no such thing"), store_errors():
        raise MlflowException("no such thing")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "You are not authenticated.", "not authenticated. Set MLFLOW_TRACKING_USERNAME"),
        (403, "Permission denied", "says: Permission denied. Ask its administrator"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', "says: .*no"),
        (404, "<html>no such page</html>", "failed with error code 404"),
    ],
)
def test_a_refusal_is_no_outage(broken_server, status, body, said):
    """Who may not write to a registered model is told so at once, and waits for nobody."""
    broken_server.refusal = status, body
    with pytest.raises(UserError, match=said), store_errors():
        mlflow.MlflowClient().create_registered_model("of-somebody-else")
    assert broken_server.seen == 1


def test_a_choice_of_the_user_stays(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    be_patient()
    assert outage.os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
