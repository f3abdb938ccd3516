"""Query a running application from Python, with batches, retries and tokens.

Example::

    client = CraterClient("http://127.0.0.1:8000")
    for prediction in client.classify(Path("crops").glob("*.png")):
        print(prediction["state"], prediction["error"])
"""

import base64
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from lunar_models.errors import LunarModelsError
from serving.model.table import Prediction

_BUSY = (502, 503, 504)
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


class ServiceError(LunarModelsError):
    """The service refused a request or cannot be reached; `status` is None for the latter."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class CraterClient:
    """One connection to the service; not to be shared by threads.

    Args:
        url: where the service is, such as ``http://127.0.0.1:8000``.
        token: if the service wants one.
        batch_size: images per request.
        retries: further tries when the service is busy or out of reach.
        timeout_s: longest wait for one reply.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        batch_size: int = 64,
        retries: int = 5,
        timeout_s: float = 60.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._batch_size, self._retries, self._timeout_s = batch_size, retries, timeout_s
        self._session = requests.Session()
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def classify(
        self,
        images: Iterable[bytes | str | Path],
        *,
        hints: dict[str, Any] | None = None,
        **params: Any,
    ) -> Iterator[Prediction]:
        """Predictions in the order of the images, which are read as they are needed.

        Args:
            images: contents of image files, or their paths.
            hints: for all images: `sun_side`, `pixel_scale_m`, `diameter_km`.
            params: `top_k`, `return_embedding`, `abstain_below`.

        Raises:
            ServiceError: the service refuses the request or cannot be reached.
            OSError: a file cannot be read.
        """
        remaining = iter(images)
        while batch := list(islice(remaining, self._batch_size)):
            items = [{"image": _encoded(image), **(hints or {})} for image in batch]
            body = {"inputs": items, "params": params}
            yield from self._ask("POST", "/v1/classify", json=body)["predictions"]

    def locate(
        self, *, longitude_deg: float, latitude_deg: float, diameter_km: float, **params: Any
    ) -> Prediction:
        """Prediction for a place, cut from the service's mosaic. Raises like `classify`."""
        place = {
            "longitude_deg": longitude_deg,
            "latitude_deg": latitude_deg,
            "diameter_km": diameter_km,
        }
        reply: Prediction = self._ask("GET", "/v1/locate", params=place | params)["prediction"]
        return reply

    def crater(self, crater_id: str, **params: Any) -> dict[str, Any]:
        """Return a crater of the reference set. Raises like `classify`."""
        return self._ask("GET", f"/v1/craters/{quote(crater_id, safe='')}", params=params)

    def similar(self, **query: Any) -> dict[str, Any]:
        """Craters like the one with `crater_id`, or at a place. Raises like `classify`."""
        return self._ask("GET", "/v1/similar", params=query)

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        wait_s = _FIRST_WAIT_S
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                reply = self._session.request(
                    method, self._url + path, timeout=self._timeout_s, **options
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                if last:
                    raise ServiceError(f"{self._url} does not answer; is it running?") from error
            else:
                if reply.ok:
                    content: dict[str, Any] = reply.json()
                    return content
                if last or reply.status_code not in _BUSY:
                    raise ServiceError(_reason(reply), reply.status_code)
                wait_s = max(wait_s, _retry_after(reply))
            time.sleep(min(wait_s, _LONGEST_WAIT_S))
            wait_s *= 2
        raise AssertionError("the last try returns or raises")


def _encoded(image: bytes | str | Path) -> str:
    data = image if isinstance(image, bytes) else Path(image).read_bytes()
    return base64.b64encode(data).decode()


def _retry_after(reply: requests.Response) -> float:
    text = reply.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _reason(reply: requests.Response) -> str:
    try:
        return f"{reply.json()['detail']} ({reply.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"The service answered {reply.status_code}."
