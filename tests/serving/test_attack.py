"""Over ten thousand malformed requests against a real server: no 5xx, dead worker or leak.

`LUNAR_FUZZ_INPUTS` sets how many.
"""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from bent import bent
from crop_images import encoded, text
from live_server import reserve_port, wait_for, workers
from PIL import Image

pytestmark = pytest.mark.slow
INPUTS = int(os.environ.get("LUNAR_FUZZ_INPUTS", "12000"))
CLIENTS = 8
CROP = (np.indices((48, 40)).sum(0) * 2 + 20).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def images() -> list[bytes]:
    """Good images of every kind that is understood."""
    grey = Image.fromarray(CROP)
    colour = Image.merge("RGB", [grey] * 3)
    alpha = Image.merge("LA", [grey, grey])
    exif = Image.Exif()
    exif[274] = 6
    return [
        saved(grey, "PNG"), saved(grey, "PNG", transparency=30), saved(alpha, "PNG"),
        saved(colour.quantize(16), "PNG"), saved(grey, "JPEG"), saved(colour, "JPEG", exif=exif),
        saved(colour, "JPEG", progressive=True), saved(grey, "TIFF"),
        *(saved(colour, "TIFF", compression=c) for c in ("tiff_lzw", "tiff_deflate", "jpeg")),
        saved(grey, "TIFF", save_all=True, append_images=[grey] * 3),
        saved(grey, "PNG", save_all=True, append_images=[grey.rotate(90)]),
        encoded(CROP.astype(np.uint16) * 200), encoded(CROP.astype(np.float32), "TIFF"),
        encoded(CROP, "NPY"), encoded(CROP.astype(">f8"), "NPY"),
    ]  # fmt: skip


def request(dice: random.Random, seeds: list[bytes]) -> dict[str, object]:
    """Arguments for `requests.request`: a bent image, a bent JSON text, or bent headers."""
    image = bent(dice, dice.choice(seeds), seeds)
    path = dice.choice(["/v1/classify", "/v1/embed", "/v1/similar", "/invocations"])
    kind = dice.randrange(6)
    if kind == 0:
        types = ["image/png", "image/tiff", "application/octet-stream", "application/json", "x/y"]
        return {"path": path, "data": image, "headers": {"content-type": dice.choice(types)}}
    if kind == 1:
        return {"path": "/v1/classify", "files": [("image", ("a", image, "image/png"))] * 2}
    form = dice.choice(["inputs", "instances", "dataframe_records"])
    items: list[object] = [
        {"image": text(image)},
        dice.choice([None, 5, "x", {"image": 1}, [], {}]),
    ]
    body = json.dumps(
        {form: items, "params": dice.choice([{}, {"top_k": dice.randrange(-2, 200)}])}
    )
    data = body.encode(dice.choice(["utf-8", "utf-16", "utf-8-sig"]))
    headers = {"content-type": "application/json"}
    if kind == 2:
        data = bent(dice, data, seeds)
    if kind == 3:
        data = bent(dice, gzip.compress(data), seeds)
        headers["content-encoding"] = "gzip"
    if kind == 4:
        headers["x-deadline-ms"] = dice.choice(["abc", "100000", "-1"])
    return {"path": path, "data": data, "headers": headers}


@pytest.fixture
def server(bundle_folder: Path, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    url = f"http://127.0.0.1:{(port := reserve_port())}"
    command = ["serving", "--model", str(bundle_folder), "--port", str(port), "--workers", "1"]
    options = ["--cache", str(tmp_path / "cache"), "--log_level", "warning"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *options], stdout=log, stderr=log
        )
    try:
        wait_for(lambda: _answers(f"{url}/ready"), 180)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def worker(process: subprocess.Popen) -> psutil.Process:
    (found,) = workers(process)
    return found


def test_bent_requests_do_no_harm(server: tuple[str, subprocess.Popen]) -> None:
    url, process = server
    seeds = images()
    outcomes: Counter[str] = Counter()
    wrong: list[tuple[int, str]] = []
    lock = threading.Lock()

    def attack(numbers: range) -> None:
        session = requests.Session()
        for number in numbers:
            asked = request(random.Random(number), seeds)
            path = asked.pop("path")
            try:
                reply = session.post(f"{url}{path}", timeout=60, **asked)
                status, told = str(reply.status_code), reply.text[:300]
            except requests.RequestException as error:
                status, told = type(error).__name__, str(error)[:300]
            with lock:
                outcomes[status] += 1
                if not status.startswith(("2", "4")):
                    wrong.append((number, f"{status} {told}"))

    def run(first: int, last: int) -> None:
        threads = [
            threading.Thread(target=attack, args=(range(first + i, last, CLIENTS),))
            for i in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    victim = worker(process)
    third = INPUTS // 3
    run(0, third)
    early = victim.memory_full_info().uss / 2**20
    run(third, INPUTS)
    late = victim.memory_full_info().uss / 2**20
    print("fuzz", dict(outcomes), f"{early:.1f} -> {late:.1f} MB")
    assert not wrong, wrong[:5]
    assert sum(outcomes.values()) == INPUTS
    assert worker(process).pid == victim.pid
    assert late < 1.05 * early + 8
