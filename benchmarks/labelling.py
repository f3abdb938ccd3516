"""Measure how long the next crater takes on /label, with 50,000 craters and many votes.

    PYTHONPATH=tests python -m benchmarks.labelling [--craters 50000] [--votes 20000] [--rounds 300]

A round is what the page does for one label: send the answer, ask for the next crater, fetch its
picture, one after the other (the page itself fetches ahead). The baseline, measured in the same
run, finds the next crater from all votes anew, as a server without a ledger would.
"""

import argparse
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import requests
from helpers import make_crop_set_folder
from label_server import label_server

from lunar_models.crops.crop_set import CropSet
from lunar_models.labelling import LabelStore, default_scheme
from lunar_models.labelling.assignment import Assignment
from lunar_models.labelling.design import Design, random_order
from lunar_models.labelling.tables import VOTES

_FROM_SCRATCH = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--craters", type=int, default=50_000)
    parser.add_argument("--votes", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crop_set = make_crop_set_folder(folder / "crops", n=asked.craters)
        fill(folder / "labels.db", crop_set, asked.votes)
        with label_server(folder, crop_set.path) as server:
            answer, following, picture = rounds(server.url, asked.rounds)
        anew = from_scratch(folder / "labels.db", crop_set)
    report("answer stored", answer)
    report("next crater", following)
    report("its picture", picture)
    both = following + picture
    report("next crater with its picture", both)
    print(f"labels a minute, nothing fetched ahead: {60 / np.mean(answer + both):.0f}")
    print(
        f"baseline, all votes anew: {1e3 * anew:.0f} ms = {anew / np.median(following):.0f} times"
    )


def fill(file: Path, crop_set: CropSet, count: int) -> None:
    """Store first labels of the craters that come first, by three people."""
    store = LabelStore(file)
    store.keep_scheme(default_scheme())
    craters = random_order(crop_set.metadata["crater_id"].tolist(), 0)[:count]
    now = datetime.now(UTC)
    rows = [
        {
            "vote_id": str(uuid.uuid4()), "crater_id": crater, "labeller": f"person {k % 3}",
            "value": "New", "scheme": "degradation", "scheme_version": 1, "time_utc": now,
            "seconds": 3.0, "kind": "ordinary", "blind": True, "sun_azimuth_deg": 90.0,
            "rotation_deg": 0.0, "mirrored": False, "note": "", "supersedes": None,
            "received_utc": now,
        }
        for k, crater in enumerate(craters)
    ]  # fmt: skip
    with store.exclusive() as connection:
        connection.execute(VOTES.insert(), rows)


def rounds(url: str, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label `count` craters; return the seconds of answers, of next craters and of pictures."""
    session = requests.Session()
    seconds = np.zeros((3, count))
    task = session.get(f"{url}/v1/label/tasks").json()["tasks"][0]
    for k in range(count):
        vote = {
            "vote_id": str(uuid.uuid4()), "task_id": task["task_id"], "value": "Old",
            "crater_id": task["crater_id"], "scheme_version": 1, "seconds": 1.0,
            "time_utc": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        begin = time.perf_counter()
        reply = session.post(f"{url}/v1/label/votes", json={"votes": [vote]}).json()
        assert reply["receipts"][0]["outcome"] == "stored", reply
        stored = time.perf_counter()
        task = session.get(f"{url}/v1/label/tasks").json()["tasks"][0]
        found = time.perf_counter()
        session.get(f"{url}/v1/label/pictures/{task['crater_id']}.png").raise_for_status()
        seconds[:, k] = stored - begin, found - stored, time.perf_counter() - found
    return seconds[0], seconds[1], seconds[2]


def from_scratch(file: Path, crop_set: CropSet) -> float:
    """Median seconds of finding the next crater from all votes."""
    design = Design(random_order(crop_set.metadata["crater_id"].tolist(), 0))
    taken = []
    for _ in range(_FROM_SCRATCH):
        begin = time.perf_counter()
        Assignment(LabelStore(file), default_scheme(), design).tasks("local", 1)
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken))


def report(what: str, seconds: np.ndarray) -> None:
    """Print the middle and the slowest twentieth."""
    p50, p95 = np.percentile(1e3 * seconds, (50, 95))
    print(f"{what}: p50 {p50:.1f} ms, p95 {p95:.1f} ms")


if __name__ == "__main__":
    main()
