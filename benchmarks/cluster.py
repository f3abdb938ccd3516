"""Cluster a million craters: fit on a sample and assign, against the plain call on all.

    python benchmarks/cluster.py --rows 1000000 --time-limit 300

Each case runs in a process of its own; memory is the peak resident size of that process, the
memory-mapped embeddings included. Agreement is the adjusted Rand index with the plain call on the
same rows, and with the planted groups. Plain HDBSCAN grows with the square of the rows in many
dimensions, so it is measured at growing sizes until the time limit ends one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import hdbscan
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering import fit_clusters
from lunar_models.config.cluster import ClusterConfig

DIMENSIONS, GROUPS, RANK = 64, 6, 8
MIN_SAMPLES = 10


def plant(path: Path, rows: int) -> None:
    """Write embeddings.npy, (rows, 64) float32, and truth.npy: six groups and 5 % background."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(GROUPS, DIMENSIONS)) * 1.1
    shapes = rng.normal(size=(GROUPS, RANK, DIMENSIONS)) * 0.45
    truth = rng.choice(GROUPS, rows, p=np.array([0.3, 0.25, 0.2, 0.12, 0.08, 0.05]))
    stored = np.lib.format.open_memmap(
        path / "embeddings.npy", mode="w+", dtype=np.float32, shape=(rows, DIMENSIONS)
    )
    for start in range(0, rows, 50_000):
        part = truth[start : start + 50_000]
        places = rng.normal(size=(len(part), RANK))
        spread = np.einsum("nr,nrd->nd", places, shapes[part])
        noise = rng.normal(scale=0.3, size=spread.shape)
        background = rng.random(len(part)) < 0.05
        noise[background] *= 6
        stored[start : start + 50_000] = centres[part] + spread + noise
    np.save(path / "truth.npy", truth)


def min_cluster_size(rows: int) -> int:
    """One per cent of the craters HDBSCAN is fitted on."""
    return max(20, rows // 100)


def ours(embeddings: FloatArray, method: Any, fit_limit: int | None) -> IntArray:
    """Fit on a sample, assign all."""
    config = ClusterConfig(
        crops="", encoder_uri="", method=method, n_clusters=GROUPS, stability_rounds=0,
        fit_limit=fit_limit, min_samples=MIN_SAMPLES,
        min_cluster_size=min_cluster_size(fit_limit or 0),
    )  # fmt: skip
    return fit_clusters(embeddings, config).assign(embeddings).cluster_id


def plain(embeddings: FloatArray, method: str) -> IntArray:
    """What a user would call without this library."""
    rows = np.asarray(embeddings)
    if method == "kmeans":
        labels: IntArray = KMeans(GROUPS, n_init=10, random_state=0).fit_predict(rows)
    else:
        size = min_cluster_size(len(rows))
        labels = hdbscan.HDBSCAN(min_cluster_size=size, min_samples=MIN_SAMPLES).fit_predict(rows)
    return labels


def run_case(folder: Path, case: dict[str, Any]) -> None:
    """The body of a measured process: run one case and print what it took as JSON."""
    embeddings = np.load(folder / "embeddings.npy", mmap_mode="r")[: case["rows"]]
    before = peak_mb()
    start = time.perf_counter()
    if case["by"] == "ours":
        labels = ours(embeddings, case["method"], case["fit_limit"])
    else:
        labels = plain(embeddings, case["method"])
    seconds = time.perf_counter() - start
    np.save(folder / f"{case['name']}.npy", labels)
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "start_mb": before}))


def peak_mb() -> float:
    """Peak resident size of this process (Linux); unlike getrusage, without its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return float(peak.split()[1]) / 1024


def measure(folder: Path, case: dict[str, Any], time_limit: float) -> dict[str, float] | None:
    """Run one case in a process of its own; None when it exceeds the time limit."""
    command = [sys.executable, __file__, "--folder", str(folder), "--case", json.dumps(case)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=time_limit, check=True
        )
    except subprocess.TimeoutExpired:
        return None
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def report(folder: Path, case: dict[str, Any], against: str | None, time_limit: float) -> bool:
    """Measure a case and print its line; False when it ran out of time."""
    measured = measure(folder, case, time_limit)
    line = f"{case['name']:<26}{case['rows']:>10,}"
    if measured is None:
        print(f"{line}   not finished in {time_limit:.0f} s", flush=True)
        return False
    labels, truth = np.load(folder / f"{case['name']}.npy"), np.load(folder / "truth.npy")
    agreement = "" if against is None else _agreement(labels, np.load(folder / f"{against}.npy"))
    print(
        f"{line}{measured['seconds']:>9.1f} s{measured['peak_mb']:>8.0f} MB "
        f"(starts at {measured['start_mb']:.0f})   truth {_agreement(labels, truth)}   "
        f"noise {(labels == -1).mean():.1%}   plain {agreement or '-'}",
        flush=True,
    )
    return True


def _agreement(one: IntArray, other: IntArray) -> str:
    return f"{adjusted_rand_score(one, other[: len(one)]):.3f}"


def compare(folder: Path, rows: int, time_limit: float) -> None:
    """All cases, plain ones first, so that agreement can be stated."""
    for by in ("plain", "ours"):
        case = {"name": f"kmeans-{by}", "by": by, "method": "kmeans", "rows": rows}
        report(folder, case | {"fit_limit": None}, "kmeans-plain", time_limit)
    size, finished = 5_000, True
    while finished and size <= rows:
        case = {"method": "hdbscan", "rows": size, "fit_limit": max(2_500, size // 2)}
        finished = report(
            folder, case | {"name": f"hdbscan-plain-{size}", "by": "plain"}, None, time_limit
        )
        against = f"hdbscan-plain-{size}" if finished else None
        report(folder, case | {"name": f"hdbscan-ours-{size}", "by": "ours"}, against, time_limit)
        size *= 2
    case = {"name": "hdbscan-ours", "by": "ours", "method": "hdbscan", "rows": rows}
    report(folder, case | {"fit_limit": 20_000}, None, time_limit * 10)


def main() -> None:
    """Plant the data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--time-limit", type=float, default=300.0, help="seconds a case may take")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        return run_case(options.folder, json.loads(options.case))
    print(f"{options.rows:,} x {DIMENSIONS} float32, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        plant(Path(folder), options.rows)
        compare(Path(folder), options.rows, options.time_limit)


if __name__ == "__main__":
    main()
