"""Classify a catalogue of the whole Moon, and what shards, processes and Ray add to it.

    python -m benchmarks.scale --craters 200000     # plain, one shard, shards, processes
    python -m benchmarks.scale --craters 1296796 --what processes

The mosaic has the size of the LROC WAC mosaic (109,164 x 54,582 pixels) and the craters have
Robbins' sizes; the model is an untrained `physics` encoder with a head and clusters, which costs
as much as a trained one. Each way runs in a fresh process, whose children count:

    plain       preprocess (`make_crop_set`), then embed, score and assign all crops
    one         `classify_catalogue` as one shard, in one process
    shards      the same with the default shards
    processes   the same with two processes
    ray         the same on Ray with two processes (its start is not counted)
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from benchmarks.moon import (
    ROBBINS_COUNT,
    WAC_HEIGHT,
    WAC_PIXEL_M,
    WAC_WIDTH,
    write_catalogue,
    write_mosaic,
)
from lunar_models.clustering import fit_clusters
from lunar_models.config.classify import ClassifyConfig
from lunar_models.config.cluster import ClusterConfig
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.embedding import embed_crops, score_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.physics import PhysicsEncoder
from lunar_models.heads.head import Head
from serving.batch import driver
from serving.model import bundle as bundles
from serving.model.bundle import Bundle
from serving.model.seal import BUNDLE_FILE

SIDE, DIM = 48, 32
WAYS = ("plain", "one", "shards", "processes", "ray")


def main() -> None:
    """Run the ways one after the other and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--craters", type=int, default=200_000)
    parser.add_argument("--what", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark"))
    parser.add_argument("--here", choices=WAYS)
    arguments = parser.parse_args()
    mosaic = write_mosaic(
        arguments.folder / "wac.tif", width=WAC_WIDTH, height=WAC_HEIGHT, pixel_m=WAC_PIXEL_M
    )
    table = write_catalogue(arguments.folder / f"global_{arguments.craters}.csv", arguments.craters)
    model = _model(arguments.folder / "scale_model")
    if arguments.here:
        print(json.dumps(_measured(arguments.here, arguments.folder, mosaic, table, model)))
        return
    print(f"{arguments.craters:,} craters, {SIDE} px, {os.cpu_count()} cores")
    print("way         seconds  craters/s  CPU s  peak GB  stages")
    for way in arguments.what:
        command = [
            sys.executable,
            "-m",
            "benchmarks.scale",
            "--here",
            way,
            "--craters",
            str(arguments.craters),
        ]
        command += ["--folder", str(arguments.folder)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in found["stages"].items())
        print(
            f"{way:10} {found['seconds']:8.1f} {found['craters'] / found['seconds']:10.0f} "
            f"{found['cpu']:6.0f} {found['peak']:8.2f}  {stages}",
            flush=True,
        )
    _extrapolate(arguments.craters)


def _measured(way: str, folder: Path, mosaic: Path, table: Path, model: Path) -> dict:
    """Do one way here; seconds, processor seconds, peak memory of all processes, stages."""
    output = folder / f"scale_{way}"
    for each in (output, output.with_name(output.name + ".partial")):
        shutil.rmtree(each, ignore_errors=True)
    if way == "ray":
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    watch = _Watch()
    started = time.perf_counter()
    run = _plain if way == "plain" else _release
    count, stages = run(way, output, mosaic, table, model)
    seconds = time.perf_counter() - started
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in usage)
    shutil.rmtree(output)
    return {
        "seconds": seconds, "craters": count, "cpu": cpu, "peak": watch.peak / 1e9,
        "stages": stages,
    }  # fmt: skip


def _plain(way: str, output: Path, mosaic: Path, table: Path, model: Path) -> tuple[int, dict]:
    stages, begin = {}, time.perf_counter()
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=(str(mosaic),), catalogue=str(table), output=str(output), crop_size_px=SIDE
        )
    )
    stages["preprocess"], begin = time.perf_counter() - begin, time.perf_counter()
    bundle = Bundle.load(model)
    checkpoint = Checkpoint.load(model / bundles.ENCODER)
    embeddings = embed_crops(checkpoint, crop_set.crops)
    stages["embed"], begin = time.perf_counter() - begin, time.perf_counter()
    score_crops(checkpoint, crop_set.crops)
    stages["score"], begin = time.perf_counter() - begin, time.perf_counter()
    bundle.clusters.assign(embeddings)
    bundle.head.predict(embeddings)
    stages["assign"] = time.perf_counter() - begin
    return len(crop_set), stages


def _release(way: str, output: Path, mosaic: Path, table: Path, model: Path) -> tuple[int, dict]:
    stages: dict[str, float] = {}
    made = driver.classify_catalogue(
        ClassifyConfig(
            mosaic=(str(mosaic),),
            catalogue=str(table),
            model=str(model),
            output=str(output),
            shards=1 if way == "one" else None,
            workers=2 if way in ("processes", "ray") else 1,
            engine="ray" if way == "ray" else "local",
            device="cpu",
        ),
        report=lambda progress: stages.update({progress.stage: progress.seconds}),
    )
    return made["counts"]["craters"], stages


class _Watch:
    """The largest memory of this process and its children together (proportional set size)."""

    def __init__(self) -> None:
        self.peak = 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        me = psutil.Process()
        while True:
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)
            time.sleep(1.0)


def _extrapolate(craters: int) -> None:
    if craters < ROBBINS_COUNT:
        factor = ROBBINS_COUNT / craters
        print(f"all {ROBBINS_COUNT:,} craters: at most {factor:.1f} times as long")


def _model(folder: Path) -> Path:
    """A service model of every part, unless it is there."""
    if (folder / BUNDLE_FILE).is_file():
        return folder
    torch.manual_seed(0)
    checkpoint = Checkpoint(PhysicsEncoder(crop_size_px=SIDE, latent_dim=DIM).eval())
    parts = folder.with_name(folder.name + ".parts")
    shutil.rmtree(parts, ignore_errors=True)
    checkpoint.save(parts / "encoder")
    crops = np.random.default_rng(0).integers(40, 200, (2000, SIDE, SIDE)).astype(np.uint8)
    embeddings = embed_crops(checkpoint, crops, device="cpu")
    config = ClusterConfig(crops="", encoder_uri="", n_clusters=4, stability_rounds=0)
    fit_clusters(embeddings, config).save(parts / "clusters")
    (parts / "head").mkdir()
    head = Head(
        kind="ordinal",
        states=("1", "2", "3", "4"),
        mean=embeddings.mean(0).astype(np.float64),
        scale=embeddings.std(0).astype(np.float64) + 1e-6,
        weights=np.eye(DIM, 1),
        offset=np.array([-1.0, 0.0, 1.0]),
        temperature=1.0,
        conformal_threshold=0.1,
        conformal_level=0.9,
        abstain_below=0.4,
    )
    head.save(parts / "head" / bundles.HEAD_FILE)
    golden = {"golden": crops[:4]}
    names = ("encoder", "head", "clusters")
    bundles.assemble(folder, **{name: parts / name for name in names}, **golden)
    return folder


if __name__ == "__main__":
    main()
