"""Yield the work that `benchmarks.gpu` measures: crops embedded, trained on or simulated."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.gpu_table import Bench, Case
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
from lunar_models.rendering.simulation import simulate_crops
from lunar_models.training.pretraining import Pretraining
from lunar_models.training.trainer import Trainer


def trainer_of(config: TrainConfig, crop_set: CropSet) -> Trainer:
    """A trainer that is ready for its first step."""
    torch.manual_seed(config.seed)
    encoder = build_encoder(config, crop_size_px=crop_set.info.crop_size_px)
    trainer = Trainer(encoder.train(), crop_set, config, None)
    trainer.prepare()
    trainer.generator.manual_seed(config.seed)
    return trainer


def embedding(checkpoint: Checkpoint, crop_set: CropSet, device: torch.device) -> Iterator[int]:
    """The library's way: the whole set, from its memory map, with the defaults."""
    while True:
        yield len(embed_crops(checkpoint, crop_set.crops, device=device.type))


def tuned_embedding(bench: Bench, checkpoint: Checkpoint, crop_set: CropSet) -> Iterator[int]:
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


def training(trainer: Trainer) -> Iterator[int]:
    """The library's way."""
    for epoch in itertools.count():
        for step, crops in enumerate(trainer.training_batches(np.random.default_rng(epoch))):
            trainer.step(step % trainer.steps_per_epoch, crops)
            yield len(crops)


def tuned_training(trainer: Trainer) -> Iterator[int]:
    """The same step on one batch that lies on the device."""
    crops = next(trainer.training_batches(np.random.default_rng(0))).clone()
    step: Callable[[int], object] = lambda n: trainer.step(  # noqa: E731
        n % trainer.steps_per_epoch, crops
    )
    for n in itertools.count():
        step(n)
        yield len(crops)


def pretraining(run: Pretraining, batch_size: int) -> Iterator[int]:
    """The library's way, each crater simulated on the device."""
    while True:
        run.take_step()
        yield batch_size


def simulating(device: torch.device) -> Iterator[int]:
    """Crops, two of each crater."""
    generator = torch.Generator(device).manual_seed(0)
    mosaics = 16 if device.type == "cuda" else 1
    while True:
        simulate_crops(128 * mosaics, crop_size_px=48, context_diameters=1.5,
                       generator=generator, mosaics=mosaics)  # fmt: skip
        yield 2 * 128 * mosaics


def make_crop_set(folder: Path, case: Case) -> CropSet:
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
