"""Compare training and embedding beside busy processes with the same work alone.

    python -m benchmarks.busy_training [--encoder cae] [--size 48] [--seconds 20] [--busy 0 1 2]

Busy processes are loops that are started here. For each number of them the speeds, in crops/s, of
as many threads as cores (as before), of one thread, and of threads that follow the load. All sides
take turns; the ratio is to as many threads as cores with no busy process. Run it on an otherwise
idle machine: what else runs counts as load.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.crop_sets import rendered_crop_set

_SPIN = "while True: pass"


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` cores busy."""
    loops = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def training_speed(folder: Path, encoder: str, threads: int | None, seconds: float) -> float:
    """Crops per second of a training from its start, choosing the threads included."""
    import torch

    from lunar_models.config.train import TrainConfig
    from lunar_models.crops.crop_set import CropSet
    from lunar_models.encoders.build import build_encoder
    from lunar_models.training.trainer import Trainer

    crop_set = CropSet.open(folder)
    config = TrainConfig(crops="", encoder=encoder, threads=threads)
    torch.manual_seed(0)
    made = build_encoder(config, crop_size_px=crop_set.info.crop_size_px)
    trainer = Trainer(made, crop_set, config, None)
    trainer.prepare()
    started, done = time.perf_counter(), 0
    with trainer.threads.kept():
        for step, crops in enumerate(trainer.training_batches(np.random.default_rng(0))):
            trainer.step(step, crops)
            done += len(crops)
            trainer.threads.follow()
            if time.perf_counter() - started > seconds:
                break
        return done / (time.perf_counter() - started)


def embedding_speed(folder: Path, encoder: str, threads: int | None, seconds: float) -> float:
    """Crops per second of `embed_crops`; `threads` None leaves the number to torch."""
    import torch

    from lunar_models.config.train import TrainConfig
    from lunar_models.crops.crop_set import CropSet
    from lunar_models.embedding import embed_crops
    from lunar_models.encoders.build import build_encoder
    from lunar_models.encoders.checkpoint import Checkpoint

    crop_set = CropSet.open(folder)
    if threads is not None:
        torch.set_num_threads(threads)
    made = build_encoder(
        TrainConfig(crops="", encoder=encoder), crop_size_px=crop_set.info.crop_size_px
    )
    checkpoint = Checkpoint.for_crops(made, crop_set)
    some = crop_set.crops[: 2**13]
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        embed_crops(checkpoint, some, device="cpu", precision="bf16")
        done += len(some)
    return done / (time.perf_counter() - started)


def _apart(task: str, folder: Path, encoder: str, threads: int | None, seconds: float) -> float:
    """The speed in a process of its own, as a step has one."""
    call = (
        f"from benchmarks.busy_training import *; "
        f"print({task}_speed(Path({str(folder)!r}), {encoder!r}, {threads}, {seconds}))"
    )
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # as in the steps
    done = subprocess.run(
        [sys.executable, "-c", call], env=environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", default="cae")
    parser.add_argument("--size", type=int, default=48, help="side of the crops, px")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--busy", type=int, nargs="*", default=[0, 1, 2], help="busy processes")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    sides = {f"{cores} threads": cores, "1 thread": 1, "following": None}
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}; crops/s and ratio to alone")
    with tempfile.TemporaryDirectory() as root:
        folder = rendered_crop_set(Path(root) / "crops", 2**17, options.size).path
        for task in ("training", "embedding"):
            alone = 0.0
            for count in options.busy:
                with busy(count):
                    speeds = {
                        name: _apart(task, folder, options.encoder, threads, options.seconds)
                        for name, threads in sides.items()
                        if task == "training" or threads is not None
                    }
                alone = alone or speeds[f"{cores} threads"]
                told = ", ".join(f"{k} {v:8.1f} ({v / alone:.2f})" for k, v in speeds.items())
                print(f"{task} beside {count} busy: {told}", flush=True)


if __name__ == "__main__":
    main()
