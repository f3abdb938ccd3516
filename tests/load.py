"""A load generator that records the outcome of every request."""

import http.client
import threading
from collections import Counter
from urllib.parse import urlsplit


class Load:
    """Clients that ask one after the other, on connections kept open, until stopped.

    `outcomes` counts ``200``, ``503``, … by status; ``refused``: nobody took the connection;
    ``broken``: the connection ended before the reply was complete.
    """

    def __init__(self, url: str, body: bytes, clients: int = 16) -> None:
        self.outcomes: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self._address = urlsplit(url).netloc
        self._body = body
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        headers = {"Content-Type": "application/json"}
        while not self._stop.is_set():
            sent = False
            try:
                if connection.sock is None:
                    connection.connect()
                sent = True
                connection.request("POST", "/invocations", self._body, headers)
                reply = connection.getresponse()
                text = reply.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                outcome, text = ("broken" if sent else "refused"), b""
                self._stop.wait(0.05)
            else:
                outcome = str(reply.status)
            with self._lock:
                self.outcomes[outcome] += 1
                self.versions.update(v for v in ("1", "2") if f'"version":"{v}"'.encode() in text)
        connection.close()
