"""An application that follows the champion on a tracking server with users."""

import os
import signal
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest
import requests
from crop_images import item
from live_server import reserve_port, wait_for

pytestmark = pytest.mark.stack


class Caller(threading.Thread):
    """Asks without a pause; counts the versions that answered, and keeps what was no answer."""

    def __init__(self, url: str, crop: np.ndarray) -> None:
        super().__init__(daemon=True)
        self.address, self.body = f"{url}/v1/classify", {"inputs": [item(crop)]}
        self.stop = threading.Event()
        self.versions: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self) -> None:
        try:
            with requests.Session() as session:
                while not self.stop.is_set():
                    self._ask(session)
                    time.sleep(0.02)
        except Exception as error:
            self.faults.append(repr(error))

    def _ask(self, session: requests.Session) -> None:
        reply = session.post(self.address, json=self.body, timeout=30)
        if reply.status_code != 200:
            self.faults.append(f"{reply.status_code} {reply.text[:200]}")
            return
        [prediction] = reply.json()["predictions"]
        if prediction["error"] is not None:
            self.faults.append(str(prediction["error"]))
        self.versions[prediction["model"]["version"]] += 1

    def wait_for_answers(self, version: str, count: int) -> None:
        """Until a version gave so many answers more than by now, all of them without a fault."""
        before = self.versions[version]
        wait_for(lambda: self.faults or self.versions[version] >= before + count, 300)
        assert self.faults == []


def ready(url: str) -> dict | None:
    """What the application says of itself; None while it takes no requests."""
    try:
        reply = requests.get(f"{url}/ready", timeout=10)
    except requests.RequestException:
        return None
    return reply.json() if reply.status_code == 200 else None


def test_the_application_follows_the_champion(ana, stack, served, parts, monkeypatch, log):
    """Through a promotion and a rollback, with the tracking server away in between."""
    client = ana.sign_in(monkeypatch)
    client.set_registered_model_alias(served, "champion", "1")
    url = f"http://127.0.0.1:{(port := reserve_port())}"
    application = ana.call(
        sys.executable, "-m", "serving", "--model", f"models:/{served}@champion", "--port",
        str(port), "--workers", "1", "--poll_s", "0.5", "--cache", str(ana.folder / "cache"),
    )  # fmt: skip
    caller = Caller(url, np.array(parts.crop_set.crops[0]))
    try:
        wait_for(lambda: ready(url) or application.poll() is not None, 600)
        assert application.poll() is None, application.file.read_text()
        caller.start()
        caller.wait_for_answers("1", 20)
        client.set_registered_model_alias(served, "champion", "2")
        caller.wait_for_answers("2", 20)
        stack.stop_tracking()
        wait_for(lambda: ready(url)["registry_problem"] is not None, 300)
        caller.wait_for_answers("2", 100)
        stack.start_tracking()
        client.set_registered_model_alias(served, "champion", "1")
        caller.wait_for_answers("1", 20)
        assert ready(url)["registry_problem"] is None
    finally:
        caller.stop.set()
        if caller.ident is not None:
            caller.join(60)
        os.killpg(application.pid, signal.SIGTERM)
        output, _ = application.communicate(timeout=60)
    assert caller.faults == [], output[-2000:]
    assert set(caller.versions) == {"1", "2"}
    log(
        f"the application swapped 1 -> 2 -> 1 with the tracking server away in between: "
        f"{caller.versions.total()} requests, no fault"
    )
