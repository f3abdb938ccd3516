"""Check a GPU against the CPU, then measure training and embedding on it, in under six minutes.

    python -m benchmarks.gpu                       # on a machine with CUDA
    python -m benchmarks.gpu --device cpu --seconds 1 --small   # that the script itself works

Each network is measured twice: as the library runs it, crops read from a memory map, and in a
tuned loop whose crops lie on the device. Needs PyTorch, transformers, pandas, pyarrow and pydantic,
no rasterio, geopandas, mlflow or matplotlib. Where pydantic cannot be installed, bring it along:

    pip install --target PACKAGES pydantic     # elsewhere, with the same version of Python
    PYTHONPATH=PACKAGES python -m benchmarks.gpu
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

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
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.inference import inference_copy
from lunar_models.encoders.precision import autocast
from lunar_models.training.trainer import Trainer

FP32_TOLERANCE, BF16_TOLERANCE = 2e-3, 1e-1
"""Largest difference of an embedding from the CPU's, in standard deviations of the embeddings."""
_CHECKED = 256


class Case(NamedTuple):
    """A network as the table names it."""

    label: str
    side: int
    crops: int
    settings: dict


CASES = (
    Case("ViT-MAE-base", 224, 8_000, {"encoder": "vit_mae", "model_size": "base",
                                      "patch_size_px": 16, "batch_size": 256}),
    Case("physics", 48, 200_000, {"encoder": "physics", "batch_size": 1024}),
    Case("cae", 48, 400_000, {"encoder": "cae", "batch_size": 2048}),
)  # fmt: skip


def main() -> None:
    """Check and measure every case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each measurement")
    parser.add_argument("--small", action="store_true", help="few crops, tiny networks")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"torch {torch.__version__} on {name}; crops/s")
    print("network        task        ours      tuned  ours / tuned  apart fp32    bf16")
    for case in CASES:
        if arguments.small:
            tiny = {"model_size": "tiny"} if "model_size" in case.settings else {}
            settings = case.settings | tiny | {"batch_size": 32}
            case = case._replace(side=48, crops=512, settings=settings)
        with tempfile.TemporaryDirectory() as folder:
            _measure(case, Path(folder), device, arguments.seconds)


def _measure(case: Case, folder: Path, device: torch.device, seconds: float) -> None:
    crop_set = _crop_set(folder, case)
    config = TrainConfig(
        crops=str(folder), device=device.type, precision="auto", epochs=1, **case.settings
    )
    torch.manual_seed(0)
    encoder = build_encoder(config, crop_size_px=case.side)
    checkpoint = Checkpoint.for_crops(encoder.eval(), crop_set)
    fp32, bf16 = _apart(checkpoint, crop_set.crops[:_CHECKED], device)
    works = _embedding, _tuned_embedding
    ours, tuned = (_rate(work(checkpoint, crop_set, device), device, seconds) for work in works)
    _row(case.label, "embedding", ours, tuned, f"{fp32:10.1e} {bf16:8.1e}")
    trainer = Trainer(encoder.train(), crop_set, config, None)
    trainer.prepare()
    ours, tuned = (
        _rate(work, device, seconds) for work in (_training(trainer), _tuned_training(trainer))
    )
    _row(case.label, "training", ours, tuned, "")


def _row(label: str, task: str, ours: float, tuned: float, notes: str) -> None:
    print(
        f"{label:14} {task:9} {ours:9.0f}  {tuned:9.0f}  {ours / tuned:12.2f}  {notes}", flush=True
    )


def _apart(checkpoint: Checkpoint, crops: np.ndarray, device: torch.device) -> tuple[float, float]:
    """Largest difference of the device's embeddings from the CPU's in fp32, in fp32 and in bf16.

    Raises:
        SystemExit: it is larger than rounding explains.
    """
    expected = embed_crops(checkpoint, crops, device="cpu", precision="fp32")
    scale = max(float(expected.std()), 1e-12)
    found = []
    for precision, most in (("fp32", FP32_TOLERANCE), ("auto", BF16_TOLERANCE)):
        embeddings = embed_crops(checkpoint, crops, device=device.type, precision=precision)
        found.append(float(np.abs(embeddings - expected).max()) / scale)
        if not found[-1] <= most:
            raise SystemExit(f"{precision} on {device} is {found[-1]:.2g} std from the CPU's fp32.")
    return found[0], found[1]


def _rate(work: Iterator[int], device: torch.device, seconds: float) -> float:
    """Crops/s of work that yields their numbers; its first pieces warm up."""
    for _ in itertools.islice(work, 3):
        pass
    _wait(device)
    started, count = time.perf_counter(), 0
    for crops in work:
        count += crops
        if time.perf_counter() - started > seconds:
            break
    _wait(device)
    return count / (time.perf_counter() - started)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _embedding(checkpoint: Checkpoint, crop_set: CropSet, device: torch.device) -> Iterator[int]:
    """The library's way: the whole set, from its memory map, with the defaults."""
    while True:
        yield len(embed_crops(checkpoint, crop_set.crops, device=device.type))


def _tuned_embedding(
    checkpoint: Checkpoint, crop_set: CropSet, device: torch.device
) -> Iterator[int]:
    """Crops on the device, the fastest of some batch sizes, nothing fetched."""
    encoder = inference_copy(checkpoint.encoder.to(device))
    stored = torch.from_numpy(np.array(crop_set.crops)).to(device)
    sizes = [size for size in (256, 1024, 4096) if size <= len(stored)]

    def run(size: int) -> Iterator[int]:
        for start in itertools.cycle(range(0, len(stored) - size + 1, size)):
            with autocast("auto", device):
                encoder.embed(checkpoint.normalisation(stored[start : start + size]))
            yield size

    best = max(sizes, key=lambda size: _rate(run(size), device, 0.5))
    yield from run(best)


def _training(trainer: Trainer) -> Iterator[int]:
    """The library's way: batches from the memory map."""
    generator = torch.Generator().manual_seed(0)
    for epoch in itertools.count():
        for step, crops in enumerate(
            trainer.training_batches(np.random.default_rng(epoch), generator)
        ):
            trainer.step(step % trainer.steps_per_epoch, crops, generator)
            yield len(crops)


def _tuned_training(trainer: Trainer) -> Iterator[int]:
    """The same step on one batch that lies on the device."""
    generator = torch.Generator().manual_seed(0)
    crops = next(trainer.training_batches(np.random.default_rng(0), generator)).clone()
    step: Callable[[int], object] = lambda n: trainer.step(  # noqa: E731
        n % trainer.steps_per_epoch, crops, generator
    )
    for n in itertools.count():
        step(n)
        yield len(crops)


def _crop_set(folder: Path, case: Case) -> CropSet:
    """Noise with a dark bowl in the middle, nine tenths of it to train on."""
    generator = np.random.default_rng(0)
    row, column = (np.mgrid[: case.side, : case.side] + 0.5) / case.side - 0.5
    bowl = 40.0 * np.exp(-20.0 * (row**2 + column**2)) * np.sign(column)
    crops = np.lib.format.open_memmap(
        folder / CROPS_FILE, "w+", np.uint8, (case.crops, case.side, case.side)
    )
    for start in range(0, case.crops, 1024):
        part = crops[start : start + 1024]
        part[:] = generator.normal(100.0 - bowl, 12.0, part.shape).clip(1, 255).astype(np.uint8)
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
