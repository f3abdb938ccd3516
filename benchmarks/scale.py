"""Classify a catalogue of the whole Moon, and what shards, processes and Ray add to it.

    python -m benchmarks.scale --craters 100000 --rounds 3
    python -m benchmarks.scale --craters 1296796 --what processes

The mosaic has the size of the LROC WAC mosaic (109,164 x 54,582 pixels) and the craters have
Robbins' sizes; the model is the shipped `craters-48` with a head and clusters. Each way runs in a
fresh process, on one thread a process; the children's time and memory count:

    plain       preprocess (`make_crop_set`), then the encoder, the head and the clusters
    one         `classify_catalogue` as one shard, in one process
    pair        two of `one` at once, their mean: what sharing cores and caches costs by itself
    shards      the same with the default shards
    processes   the same with two processes
    ray         the same on Ray with two processes (its start is not counted)

The measured process imports what `lunar-batch` imports. Stages count their tasks (plan, align and
merge all that is spent meanwhile); the rest of the processor seconds are what processes need to
start.
With `--resume` a run that was interrupted goes on; its seconds are then those of the rest.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.process_tree import MemoryWatch, processor_seconds
from lunar_models.config.classify import ClassifyConfig
from lunar_models.config.preprocess import PreprocessConfig
from serving.batch import driver
from serving.batch.progress import Progress

WAYS = ("plain", "one", "pair", "shards", "processes", "ray")
SHARED = ("measure", "classify")
"""Stages that are divided among shards."""
SHARD_CRATERS = 16_384
"""By default."""
MOSAIC, MODEL = "wac.tif", "scale_model"


def main() -> None:
    """Run the ways one after the other and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--craters", type=int, default=100_000)
    parser.add_argument("--what", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the release")
    parser.add_argument("--rounds", type=int, default=1, help="of all ways, in turns")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(_measured(arguments.here, arguments)))
        return
    _prepare(arguments)
    print(f"{arguments.craters:,} craters, {os.cpu_count()} cores")
    print("way         seconds  craters/s  CPU s  peak GB  load  stages: seconds (CPU seconds)")
    for way in arguments.what * arguments.rounds:
        names = ("one", "other") if way == "pair" else (way,)
        found = _mean([json.loads(told) for told in _run_at_once(names)])
        stages = ", ".join(f"{s} {w:.1f} ({c:.1f})" for s, (w, c) in found["stages"].items())
        peak = sum(whole for whole, _ in found["memory"])
        print(
            f"{way:10} {found['seconds']:8.1f} {found['craters'] / found['seconds']:10.0f} "
            f"{found['cpu']:6.0f} {peak:8.2f} {os.getloadavg()[1]:5.1f}  {stages}",
            flush=True,
        )
        parts = " + ".join(f"{w:.2f} ({own:.2f})" for w, own in found["memory"] if w >= 0.01)
        print(f"{'':10} memory: {parts} GB (private) of the driver and its children", flush=True)
    if way != "plain":
        _on_paper(found["stages"], arguments.craters)


def _run_at_once(names: Sequence[str]) -> list[str]:
    """Start this script once for each name; the last line that each of them prints."""
    command = [sys.executable, "-m", "benchmarks.scale", *sys.argv[1:], "--here"]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True, env=one_thread)
        for name in names
    ]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("A run failed.")
    return [text.splitlines()[-1] for text in printed]


def _mean(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The first run, with the mean of all in seconds and processor seconds."""
    return runs[0] | {name: mean(run[name] for run in runs) for name in ("seconds", "cpu")}


def _prepare(arguments: argparse.Namespace) -> None:
    """Write what is not there yet."""
    from benchmarks import moon
    from benchmarks.service_model import write_service_model

    mosaic, table, model = _inputs(arguments)
    size = {"width": moon.WAC_WIDTH, "height": moon.WAC_HEIGHT, "pixel_m": moon.WAC_PIXEL_M}
    moon.write_mosaic(mosaic, **size)
    moon.write_catalogue(table, arguments.craters)
    write_service_model(model)


def _inputs(arguments: argparse.Namespace) -> tuple[Path, Path, Path]:
    folder = arguments.folder
    return folder / MOSAIC, folder / f"global_{arguments.craters}.csv", folder / MODEL


def _measured(way: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do one way here; seconds, processor seconds, peak memory of all processes, stages."""
    mosaic, table, model = _inputs(arguments)
    output = arguments.folder / f"scale_{way}"
    if not arguments.resume:
        for each in (output, output.with_name(output.name + ".partial")):
            shutil.rmtree(each, ignore_errors=True)
    if way == "ray":
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    watch, before = MemoryWatch(), processor_seconds()
    started = time.perf_counter()
    run = _plain if way == "plain" else _release
    count, stages = run(way, output, mosaic, table, model)
    seconds, cpu = time.perf_counter() - started, processor_seconds() - before
    if not arguments.keep:
        shutil.rmtree(output)
    return {
        "seconds": seconds, "craters": count, "cpu": cpu, "memory": watch.peak, "stages": stages,
    }  # fmt: skip


def _plain(way: str, output: Path, mosaic: Path, table: Path, model: Path) -> tuple[int, dict]:
    import torch

    from lunar_models.cropping.extraction import make_crop_set
    from lunar_models.embedding import compute_outputs
    from lunar_models.encoders.checkpoint import Checkpoint
    from serving.model import bundle as bundles
    from serving.model.bundle import Bundle

    torch.set_num_threads(1)
    bundle = Bundle.load(model)
    checkpoint = Checkpoint.load(model / bundles.ENCODER)
    clock = _Clock()
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=(str(mosaic),),
            catalogue=str(table),
            output=str(output),
            crop_size_px=checkpoint.encoder.crop_size_px,
            normalisation="ratio",
            workers=1,
        )
    )
    stages = {"preprocess": clock.lap()}
    embeddings = compute_outputs(checkpoint, crop_set.crops, device="cpu").embeddings
    stages["encoder"] = clock.lap()
    bundle.head.predict(embeddings)
    stages["head"] = clock.lap()
    bundle.clusters.assign(embeddings)
    stages["clusters"] = clock.lap()
    return len(crop_set), stages


def _release(way: str, output: Path, mosaic: Path, table: Path, model: Path) -> tuple[int, dict]:
    several = way in ("processes", "ray")
    reports: list[tuple[Progress, float, float]] = []
    started = time.perf_counter(), processor_seconds()
    made = driver.classify_catalogue(
        ClassifyConfig(
            mosaic=(str(mosaic),),
            catalogue=str(table),
            model=str(model),
            output=str(output),
            shards=1 if way in ("one", "other") else None,
            workers=2 if several else 1,
            engine="ray" if way == "ray" else "local",
            device="cpu",
        ),
        report=lambda told: reports.append((told, time.perf_counter(), processor_seconds())),
    )
    ended = time.perf_counter(), processor_seconds()
    return made["counts"]["craters"], dict(_stages(started, reports, ended))


def _stages(
    started: tuple[float, float], reports: list, ended: tuple[float, float]
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Seconds and processor seconds of each stage: those without reports lie in between."""
    before = "plan"
    for stage in SHARED:
        of_stage = [report for report in reports if report[0].stage == stage]
        if not of_stage:
            continue  # the Sun was given
        (_, *first), (told, *last) = of_stage[0], of_stage[-1]
        yield before, (first[0] - started[0], first[1] - started[1])
        yield stage, (last[0] - first[0], told.cpu_seconds)
        started, before = (last[0], last[1]), "align"
    yield "merge", (ended[0] - started[0], ended[1] - started[1])


class _Clock:
    """Seconds and processor seconds since the last lap."""

    def __init__(self) -> None:
        self.last = time.perf_counter(), time.process_time()

    def lap(self) -> tuple[float, float]:
        former, self.last = self.last, (time.perf_counter(), time.process_time())
        return self.last[0] - former[0], self.last[1] - former[1]


def _on_paper(stages: dict[str, tuple[float, float]], craters: int) -> None:
    """Seconds with more nodes of one core each, from the processor seconds of the stages."""
    alone = sum(cpu for stage, (_, cpu) in stages.items() if stage not in SHARED)
    shared = sum(cpu for stage, (_, cpu) in stages.items() if stage in SHARED)
    print(f"\non paper: {shared:.0f} CPU s are shared out, {alone:.1f} CPU s are not")
    print("nodes  seconds  speed-up  with shards of 1,024 craters: seconds  speed-up")
    for nodes in (1, 2, 10, 30, 100, 300, 1000):
        line = f"{nodes:5}"
        for size in (SHARD_CRATERS, 1024):
            shards = -(-craters // size)
            rounds = -(-shards // nodes)  # the node with most shards ends last
            seconds = alone + shared * rounds / shards
            line += f"  {seconds:7.1f}  {(alone + shared) / seconds:8.1f}" + 26 * " "
        print(line.rstrip())


if __name__ == "__main__":
    main()
