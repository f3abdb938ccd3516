"""Compare training and embedding with the plain float32 loop: same model, crops and run.

    python -m benchmarks.training [--encoder cae vit_mae_base] [--size 64] [--rounds 5] [--seeds 3]

The plain loop is what a tutorial writes: a DataLoader over the memory map, float32, contiguous
tensors, an ordinary AdamW, `loss.item()`, and for the transformer the forward pass of
transformers. Ours is the loop of `lunar_models.training` and `embed_crops`. Each side has a
process of its own; they take turns, and the medians of the rounds (by the clock) are printed.
Then both sides train some seeds anew, and the mean of their validation losses is printed with its
standard deviation: "equal within noise" means that they differ by less than seeds do.

Rounds are long enough that what a round does once (packing weights, starting threads) does not
count: a few seconds of the plain loop. Set no OMP_WAIT_POLICY: a small network waits for the
second thread longer than it computes where the threads sleep in between.

GFLOP/s are those of the model as the plain loop computes it. `peak` is the fastest large matrix
product on this machine, and `bound` the ratio that a loop at the bfloat16 peak would reach. On a
GPU the part of the peak is the model-FLOPs utilisation.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.crop_sets import rendered_crop_set
from benchmarks.training_sides import BATCH, DEVICE, Side

MEMORY_CROPS = (2_000, 20_000, 100_000)
CROPS = 2**15
LOSS_GFLOP, LOSS_STEPS = 10_000.0, 100
"""Most work, and most steps, of one seed."""
ROUND_GFLOP = 4_000.0
"""Of one side: a large network gets fewer crops than asked for."""


def peak_gflops(dtype: torch.dtype, side: int = 2048) -> float:
    """The fastest of some large matrix products."""
    a, b = (torch.randn(side, side, device=DEVICE).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        (a @ b).sum().item()
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds) / 1e9


def compare(name: str, folder: Path, options: argparse.Namespace, peaks: list[float]) -> None:
    """Print the rows of one encoder."""
    plain, ours = (Side(side, name, folder) for side in ("plain", "ours"))
    work = dict(zip(("training", "embedding"), plain("flops")[1], strict=True))
    some = min(options.embed, int(ROUND_GFLOP / work["embedding"]))
    steps = max(2, min(options.steps, int(ROUND_GFLOP / work["training"] / BATCH)))
    crops = {"embed": some, "train": steps * BATCH}
    for label, request, side in (
        ("embedding fp32", ("embed", crops["embed"], "fp32"), ours),
        ("embedding bf16", ("embed", crops["embed"], "bf16"), ours),
        ("training", ("train", steps), ours),
    ):
        plain(*request), side(*request)
        rounds = [(plain(*request), side(*request)) for _ in range(options.rounds)]
        speeds = [crops[request[0]] / statistics.median(r[i][0] for r in rounds) for i in (0, 1)]
        gflops = [speed * work[label.split()[0]] for speed in speeds]
        print(
            f"{name:13s} {label:15s} {speeds[0]:9.1f} {speeds[1]:9.1f} {speeds[1] / speeds[0]:6.2f}"
            f" {gflops[0]:7.0f} ({gflops[0] / peaks[0]:4.0%}) {gflops[1]:7.0f}"
            f" ({gflops[1] / peaks['fp32' not in label]:4.0%}) {peaks[1] / gflops[0]:6.1f}   "
            + ("" if label == "training" else _error(*rounds[-1])),
            flush=True,
        )
    steps = max(8, min(LOSS_STEPS, int(LOSS_GFLOP / work["training"] / BATCH)))
    losses = [side("losses", steps, options.seeds)[1] for side in (plain, ours)]
    plain_loss, our_loss = (f"{np.mean(each):.5f} ± {np.std(each):.5f}" for each in losses)
    print(
        f"{name:13s} loss after {steps} steps, {options.seeds} seeds: {plain_loss} | {our_loss}",
        flush=True,
    )
    plain.stop(), ours.stop()


def _error(plain: Any, ours: Any) -> str:
    """Of our embeddings, by the (seconds, embeddings) of both sides."""
    (_, expected), (_, found) = plain, ours
    return f"largest error {np.abs(found - expected).max() / expected.std():.1e} of the spread"


def memory(side: int, root: Path) -> None:
    """Print the peak memory of training and embedding smaller and larger crop sets."""
    for count in MEMORY_CROPS:
        folder = rendered_crop_set(root / f"{count}", count, side).path
        ours = Side("ours", "cae", folder)
        before = ours("memory")[1]
        ours("train", count), ours("embed", count, "fp32")
        after = ours("memory")[1]
        print(f"memory of {count:6,d} crops: {before:.0f} MiB at the start, {after:.0f} at most")
        ours.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", nargs="*", default=["cae", "vit_mae_base"])
    parser.add_argument("--size", type=int, default=64, help="side of the crops, px")
    parser.add_argument("--steps", type=int, default=32, help="of a round")
    parser.add_argument("--embed", type=int, default=CROPS, help="crops of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3, help="of the comparison of losses")
    options = parser.parse_args()
    peaks = [peak_gflops(dtype) for dtype in (torch.float32, torch.bfloat16)]
    load = os.getloadavg()[0]
    print(
        f"{DEVICE}, {torch.get_num_threads()} threads, load {load:.1f}; peak in GFLOP/s: ", end=""
    )
    print(f"fp32 {peaks[0]:.0f}, bf16 {peaks[1]:.0f}, ratio {peaks[1] / peaks[0]:.2f}")
    print(f"{'crops/s':>38s} {'':9s} {'':6s} {'GFLOP/s (of the peak)':>28s}")
    print(f"{'':29s} {'plain':>9s} {'ours':>9s} {'ratio':>6s} {'plain':>14s} {'ours':>14s}  bound")
    with tempfile.TemporaryDirectory() as root:
        crop_set = rendered_crop_set(Path(root) / "crops", CROPS, options.size)
        for name in options.encoder:
            compare(name, crop_set.path, options, peaks)
        memory(options.size, Path(root))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
