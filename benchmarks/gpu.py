"""Check a GPU against the CPU, then measure training and embedding on it, in under six minutes.

    python -m benchmarks.gpu                       # on a machine with CUDA
    python -m benchmarks.gpu --device cpu --seconds 1 --small   # that the script itself works

Embedding is measured as the library does it, crops read from a memory map, and in a tuned loop
whose crops lie on the device. Training is measured as the library does it, eagerly
(`compiled=false`), and on one batch that lies on the device. Needs PyTorch, transformers, pandas,
pyarrow and pydantic, no rasterio, geopandas, mlflow or matplotlib. Where pydantic cannot be
installed, bring it along:

    pip install --target PACKAGES pydantic     # elsewhere, with the same version of Python
    PYTHONPATH=PACKAGES python -m benchmarks.gpu
"""

import argparse
import itertools
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

try:
    import pydantic  # noqa: F401
except ImportError:
    raise SystemExit(
        "benchmarks.gpu needs pydantic, which checks the parameters. Without a network: "
        "`pip install --target PACKAGES pydantic` elsewhere with the same version of Python, copy "
        "that folder, and set PYTHONPATH=PACKAGES."
    ) from None

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from lunar_models.config.pretrain import PretrainConfig
from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import (
    CROPS_FILE,
    METADATA_COLUMNS,
    METADATA_FILE,
    CropSet,
    CropSetInfo,
    write_info,
)
from lunar_models.crops.normalisation import Normalisation
from lunar_models.embedding import embed_crops
from lunar_models.encoders.base import CPU
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.inference import inference_copy
from lunar_models.encoders.precision import autocast
from lunar_models.rendering.simulation import simulate_crops
from lunar_models.training.pretraining import Pretraining
from lunar_models.training.trainer import Trainer

FP32_TOLERANCE, BF16_TOLERANCE = 2e-3, 1e-1
"""Largest difference of an embedding from the CPU's, in standard deviations of the embeddings."""
LOSS_TOLERANCE = 2e-2
"""Largest relative difference between the losses of recorded and of eager steps, in bf16."""
SIMULATION_TOLERANCE = 0.25
"""Largest difference between the means of simulated crops, in standard deviations."""
PEAK_FLOPS = 790e12
"""Of an H100 in bf16, measured on large matrix products of random values."""
CHECKED_STEPS = 8


class Case(NamedTuple):
    """A network as the table names it."""

    label: str
    side: int
    crops: int
    checked: int
    settings: dict[str, Any]
    before: dict[str, float]
    """crops/s on an H100 when this table was first made."""
    aims: dict[str, float]
    """crops/s."""


CASES = (
    Case("ViT-MAE-base", 224, 16_384, 64,
         {"encoder": "vit_mae", "model_size": "base", "patch_size_px": 16, "batch_size": 512},
         {"embedding": 3_735, "training": 3_018}, {"training": 6_046}),
    Case("physics", 48, 400_000, 256, {"encoder": "physics", "batch_size": 1024},
         {"embedding": 16_201, "training": 2_545}, {"embedding": 150_000, "training": 20_000}),
    Case("cae", 48, 800_000, 256, {"encoder": "cae", "batch_size": 2048},
         {"embedding": 52_874, "training": 28_226}, {"embedding": 300_000, "training": 54_000}),
)  # fmt: skip


class Bench:
    """Measures and prints row after row, and keeps them."""

    def __init__(self, device: torch.device, seconds: float, file: Path | None) -> None:
        self.device, self.seconds, self.file = device, seconds, file
        name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
        self.machine = {"torch": torch.__version__, "device": name}
        self.rows: list[dict[str, Any]] = []
        self.faults: list[str] = []

    def rate(self, work: Iterator[int], warm_up: int = 1, seconds: float | None = None) -> float:
        """crops/s of work that yields their numbers; its first pieces warm up."""
        for _ in itertools.islice(work, warm_up):
            pass
        self.wait()
        started, count = time.perf_counter(), 0
        for crops in work:
            count += crops
            if time.perf_counter() - started > (seconds or self.seconds):
                break
        self.wait()
        return count / (time.perf_counter() - started)

    def wait(self) -> None:
        """Until the device has done its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def check(self, what: str, found: float, most: float) -> float:
        """Tell a difference larger than rounding or chance explains; it fails the whole run."""
        if not found <= most:
            self.faults.append(f"{what}: {found:.2g} apart, at most {most} are explained.")
            print(f"WRONG: {self.faults[-1]}", flush=True)
        return found

    def row(self, case: Case, task: str, **values: float | None) -> None:
        """Print and keep one row."""
        before, aim = case.before.get(task), case.aims.get(task)
        row = {"network": case.label, "task": task, "before": before, "aim": aim, **values}
        self.rows.append(row)
        names = ("before", "ours", "eager", "tuned", "aim")
        numbers = "".join(f"{row.get(name) or math.nan:11,.0f}" for name in names)
        told = {name: row[name] for name in values if name not in names}
        notes = "  ".join(f"{name.replace('_', ' ')} {value:.2g}" for name, value in told.items())
        print(f"{case.label:17} {task:10} {numbers}  {notes}".replace("nan", "  -"), flush=True)
        if self.file:
            self.file.write_text(json.dumps(self.machine | {"rows": self.rows}, indent=2) + "\n")


def main() -> None:
    """Check and measure every case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--small", action="store_true", help="few crops, tiny networks")
    parser.add_argument("--only", help="labels of networks, with commas")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    device, started = torch.device(arguments.device), time.perf_counter()
    bench = Bench(device, arguments.seconds, arguments.json)
    print("torch {torch} on {device}; crops/s".format(**bench.machine))
    columns = ("before", "ours", "eager", "tuned", "aim")
    print(f"{'network':17} {'task':10} {''.join(f'{column:>11}' for column in columns)}  notes")
    for case in CASES:
        if arguments.only and case.label not in arguments.only.split(","):
            continue
        if arguments.small:
            tiny = {"model_size": "tiny"} if "model_size" in case.settings else {}
            settings = case.settings | tiny | {"batch_size": 32}
            case = case._replace(side=48, crops=512, settings=settings)
        with tempfile.TemporaryDirectory() as folder:
            _measure(bench, case, Path(folder))
    if not arguments.only or "inverse_rendering" in arguments.only.split(","):
        _measure_pretraining(bench, 32 if arguments.small else 1024)
    print(f"{time.perf_counter() - started:.0f} s in all")
    raise SystemExit("\n".join(bench.faults) or 0)


def _measure(bench: Bench, case: Case, folder: Path) -> None:
    crop_set = _crop_set(folder, case)
    config = TrainConfig(crops=str(folder), device=bench.device.type, epochs=1, **case.settings)
    torch.manual_seed(0)
    encoder = build_encoder(config, crop_size_px=case.side)
    checkpoint = Checkpoint.for_crops(encoder.eval(), crop_set)
    fp32, bf16 = _apart(bench, checkpoint, np.array(crop_set.crops[: case.checked]))
    ours = bench.rate(_embedding(checkpoint, crop_set, bench.device))
    tuned = bench.rate(_tuned_embedding(bench, checkpoint, crop_set), 3)
    bench.row(case, "embedding", ours=ours, tuned=tuned, of_tuned=ours / tuned,
              apart_fp32=fp32, apart_bf16=bf16)  # fmt: skip
    apart = _steps_apart(bench, config, crop_set)
    eager = bench.rate(_training(_trainer(config.replace(compiled=False), crop_set)), 3)
    trainer = _trainer(config, crop_set)
    ours = bench.rate(_training(trainer), 6)
    tuned = bench.rate(_tuned_training(trainer), 3)
    flops = _flops_of_a_crop(trainer)
    bench.row(case, "training", ours=ours, eager=eager, tuned=tuned, loss_apart=apart,
              gflop_a_crop=flops / 1e9, of_peak=ours * flops / PEAK_FLOPS)  # fmt: skip


def _measure_pretraining(bench: Bench, batch_size: int) -> None:
    """Training of `inverse_rendering`, each crater simulated on the device and used once."""
    apart = _simulations_apart(bench)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for compiled in (False, True):
            training = Pretraining(
                PretrainConfig(
                    device=bench.device.type, uses=1.0, batch_size=batch_size, output=folder,
                    compiled=compiled, steps=10**6,
                )
            )  # fmt: skip
            for learner in training.learners:
                learner.encoder.train()
            rates.append(bench.rate(_pretraining(training, batch_size), 6))
    case = Case("inverse_rendering", 48, 0, 0, {}, {}, {})
    eager, ours = rates
    bench.row(case, "training", ours=ours, eager=eager, simulation_apart=apart)
    made = bench.rate(_simulating(bench.device), 2)
    bench.row(case, "simulation", ours=made)


def _apart(bench: Bench, checkpoint: Checkpoint, crops: np.ndarray) -> tuple[float, float]:
    """Largest difference of the device's embeddings from the CPU's in fp32, in fp32 and in bf16."""
    device = bench.device
    expected = embed_crops(checkpoint, crops, device="cpu", precision="fp32")
    scale = max(float(expected.std()), 1e-12)
    found = []
    for precision, most in (("fp32", FP32_TOLERANCE), ("auto", BF16_TOLERANCE)):
        embeddings = embed_crops(checkpoint, crops, device=device.type, precision=precision)
        apart = float(np.abs(embeddings - expected).max()) / scale
        what = f"{type(checkpoint.encoder).name} in {precision} on {device}, in standard deviations"
        found.append(bench.check(what, apart, most))
    return found[0], found[1]


def _trainer(config: TrainConfig, crop_set: CropSet) -> Trainer:
    torch.manual_seed(config.seed)
    encoder = build_encoder(config, crop_size_px=crop_set.info.crop_size_px)
    trainer = Trainer(encoder.train(), crop_set, config, None)
    trainer.prepare()
    trainer.generator.manual_seed(config.seed)
    return trainer


def _steps_apart(bench: Bench, config: TrainConfig, crop_set: CropSet) -> float:
    """Greatest relative difference between the losses of recorded and of eager steps."""
    curves = []
    for compiled in (False, True):
        trainer = _trainer(config.replace(compiled=compiled), crop_set)
        batches = trainer.training_batches(np.random.default_rng(0))
        losses = [
            trainer.step(step, crops).clone()
            for step, crops in zip(range(CHECKED_STEPS), batches, strict=False)
        ]
        curves.append(torch.stack(losses).cpu())
    eager, recorded = curves
    apart = float(((recorded - eager) / eager).abs().max())
    return bench.check(f"losses of recorded steps of {config.encoder}", apart, LOSS_TOLERANCE)


def _simulations_apart(bench: Bench) -> float:
    """Greatest difference of means and spreads between simulations on the device and on the CPU.

    In standard deviations of a crop's. The random numbers are others; what the crops of a mosaic
    share has only 512 samples, whose means lie .06 apart by chance.
    """
    statistics = []
    for where in (CPU, bench.device):
        generator = torch.Generator(where).manual_seed(0 if where is CPU else 1)
        made = [
            simulate_crops(1024, crop_size_px=48, context_diameters=1.5,
                           generator=generator, mosaics=64)
            for _ in range(8)
        ]  # fmt: skip
        truth = torch.cat([part.truth[:, 0, :5] for part in made]).cpu()
        relative = torch.cat([part.brightness[:, 0] for part in made]).cpu()
        relative = relative / relative.mean((1, 2), keepdim=True).clamp_min(1)
        scale = torch.cat([part.scale[:, 0] for part in made]).log().cpu()
        others = torch.stack([relative[:, 20:28, 20:28].std((1, 2)), scale], 1)
        statistics.append(torch.cat([truth, others], 1))
    cpu, gpu = statistics
    apart = float(((gpu.mean(0) - cpu.mean(0)) / cpu.std(0)).abs().max())
    return bench.check("simulated crops, in standard deviations", apart, SIMULATION_TOLERANCE)


def _flops_of_a_crop(trainer: Trainer) -> float:
    """Operations of the loss and of its gradient, counted in products of matrices."""
    crops = next(trainer.training_batches(np.random.default_rng(0)))[:16]
    with FlopCounterMode(display=False) as counter, trainer.autocast:
        trainer.encoder.loss(crops, trainer.generator)["loss"].backward()
    return counter.get_total_flops() / len(crops)


def _embedding(checkpoint: Checkpoint, crop_set: CropSet, device: torch.device) -> Iterator[int]:
    """The library's way: the whole set, from its memory map, with the defaults."""
    while True:
        yield len(embed_crops(checkpoint, crop_set.crops, device=device.type))


def _tuned_embedding(bench: Bench, checkpoint: Checkpoint, crop_set: CropSet) -> Iterator[int]:
    """Crops on the device, the fastest of some batch sizes, nothing fetched."""
    encoder = inference_copy(checkpoint.encoder.to(bench.device))
    stored = torch.from_numpy(np.array(crop_set.crops[:16_384])).to(bench.device)
    sizes = [size for size in (256, 1024, 4096) if size <= len(stored)]

    def run(size: int) -> Iterator[int]:
        for start in itertools.cycle(range(0, len(stored) - size + 1, size)):
            with autocast("auto", bench.device):
                encoder.embed(checkpoint.normalisation(stored[start : start + size]))
            yield size

    best = max(sizes, key=lambda size: bench.rate(run(size), 3, 0.3))
    yield from run(best)


def _training(trainer: Trainer) -> Iterator[int]:
    """The library's way."""
    for epoch in itertools.count():
        for step, crops in enumerate(trainer.training_batches(np.random.default_rng(epoch))):
            trainer.step(step % trainer.steps_per_epoch, crops)
            yield len(crops)


def _tuned_training(trainer: Trainer) -> Iterator[int]:
    """The same step on one batch that lies on the device."""
    crops = next(trainer.training_batches(np.random.default_rng(0))).clone()
    step: Callable[[int], object] = lambda n: trainer.step(  # noqa: E731
        n % trainer.steps_per_epoch, crops
    )
    for n in itertools.count():
        step(n)
        yield len(crops)


def _pretraining(training: Pretraining, batch_size: int) -> Iterator[int]:
    while True:
        training.take_step()
        yield batch_size


def _simulating(device: torch.device) -> Iterator[int]:
    """Crops, two of each crater."""
    generator = torch.Generator(device).manual_seed(0)
    mosaics = 16 if device.type == "cuda" else 1
    while True:
        simulate_crops(128 * mosaics, crop_size_px=48, context_diameters=1.5,
                       generator=generator, mosaics=mosaics)  # fmt: skip
        yield 2 * 128 * mosaics


def _crop_set(folder: Path, case: Case) -> CropSet:
    """Noise with a dark bowl in the middle, nine tenths of it to train on; 1,024 crops repeated."""
    generator = np.random.default_rng(0)
    row, column = (np.mgrid[: case.side, : case.side] + 0.5) / case.side - 0.5
    bowl = 40.0 * np.exp(-20.0 * (row**2 + column**2)) * np.sign(column)
    crops = np.lib.format.open_memmap(
        folder / CROPS_FILE, "w+", np.uint8, (case.crops, case.side, case.side)
    )
    noise = generator.standard_normal((1024, case.side, case.side), np.float32)
    made = (100.0 - bowl + 12.0 * noise).clip(1, 255).astype(np.uint8)
    for start in range(0, case.crops, 1024):
        crops[start : start + 1024] = made[: case.crops - start]
    crops.flush()
    table = pd.DataFrame({name: np.zeros(case.crops, np.float32) for name in METADATA_COLUMNS})
    table["crater_id"] = [f"C{n}" for n in range(case.crops)]
    table["split"] = np.where(np.arange(case.crops) % 10, "train", "validation")
    table.to_parquet(folder / METADATA_FILE)
    normalisation = Normalisation.fit("ratio", np.array(crops[:512])).to_dict()
    write_info(
        folder,
        CropSetInfo(
            count=case.crops,
            crop_size_px=case.side,
            context_diameters=1.5,
            digest="benchmark",
            normalisation=normalisation,
        ),
    )
    return CropSet.open(folder)


if __name__ == "__main__":
    main()
