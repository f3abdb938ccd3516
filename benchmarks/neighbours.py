"""Compare the neighbour index with exact search, at a million embeddings of 64 dimensions.

    python -m benchmarks.neighbours [--count 1000000]

The embeddings are those of a small CAE, of crops that show craters of every freshness, size,
position and ground: they lie near a curved surface of a few dimensions, as real ones do.
"""

import resource
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch

from lunar_models.neighbours import NeighbourIndex

SIZE, DIM, QUERIES, K = 16, 64, 1000, 10


def craters_as_crops(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 16, 16) float32 bowls lit from the east, on rough and tilted ground."""
    row, column = (np.mgrid[:SIZE, :SIZE].astype(np.float32) + 0.5) / SIZE * 3 - 1.5
    shape = (count, 1, 1)
    x, y = (rng.normal(0, 0.1, shape).astype(np.float32) for _ in range(2))
    radius = rng.uniform(0.7, 1.2, shape).astype(np.float32)
    distance = np.hypot(column - x, row - y) / radius
    depth, softness = (rng.uniform(0.05, 1, shape).astype(np.float32) for _ in range(2))
    bowl = -(column - x) * depth / (1 + np.exp((distance - 1) / (0.05 + 0.3 * softness)))
    slope = sum(rng.normal(0, 0.1, shape).astype(np.float32) * axis for axis in (row, column))
    coarse = rng.normal(0, 0.12, (count, 4, 4)).astype(np.float32)
    return bowl + slope + np.kron(coarse, np.ones((1, 4, 4), np.float32))


def embed(count: int) -> np.ndarray:
    """(count, 64) float32 embeddings, made in blocks."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, 2, 1),
        torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32 * 16, DIM),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    result = np.empty((count, DIM), np.float32)
    with torch.inference_mode():
        for start in range(0, count, 10_000):
            crops = craters_as_crops(min(10_000, count - start), rng)
            result[start : start + len(crops)] = encoder(torch.from_numpy(crops[:, None])).numpy()
    return result


def exact(embeddings: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """(B, K) rows of the truly nearest, by blocks of queries."""
    squares = (embeddings**2).sum(1)
    rows = []
    for block in np.array_split(queries, max(1, len(queries) // 50)):
        apart = squares - 2 * block @ embeddings.T
        rows.append(np.argpartition(apart, K, axis=1)[:, :K])
    return np.concatenate(rows)


@click.command()
@click.option("--count", default=1_000_000, show_default=True)
def main(count: int) -> None:
    """Measure and print."""
    everything = embed(count + QUERIES)
    embeddings, queries = everything[:count], everything[count:]
    begin = time.perf_counter()
    truth = exact(embeddings, queries)
    exact_ms = 1000 * (time.perf_counter() - begin) / QUERIES
    zeros = np.zeros(count)
    ids = [f"c{i}" for i in range(count)]
    craters = pd.DataFrame(
        {"crater_id": ids, "longitude_deg": zeros, "latitude_deg": zeros, "diameter_km": zeros + 1}
    )
    begin = time.perf_counter()
    built = NeighbourIndex.build(embeddings, craters)
    build_s = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as folder:
        built.save(folder)
        size_mb = sum(f.stat().st_size for f in Path(folder).iterdir()) / 2**20
        index = NeighbourIndex.load(folder)
        index.search(queries[:10], K)
        times, found = [], []
        for query in queries:
            begin = time.perf_counter()
            found.append(index.search(query[None], K).rows[0])
            times.append(1000 * (time.perf_counter() - begin))
    hits = [len(set(a) & set(b)) / K for a, b in zip(found, truth, strict=True)]
    p50, p99 = np.percentile(times, [50, 99])
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(
        f"{count:,} x {DIM}: recall@{K} {np.mean(hits):.4f}; p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
        f"exact {exact_ms:.1f} ms ({exact_ms / p50:.0f} times); build {build_s:.0f} s, "
        f"{size_mb:.0f} MB on disk, peak {peak_mb:.0f} MB while building"
    )


if __name__ == "__main__":
    main()
