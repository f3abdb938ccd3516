"""Compare what a GPU computes with what the CPU does, for `benchmarks.gpu`."""

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_table import Bench
from benchmarks.gpu_work import trainer_of
from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders.base import CPU
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.rendering.simulation import simulate_crops
from lunar_models.training.trainer import Trainer

FP32_TOLERANCE, BF16_TOLERANCE = 2e-3, 1e-1
"""Largest difference of an embedding from the CPU's, in standard deviations of the embeddings."""
LOSS_TOLERANCE = 2e-2
"""Largest relative difference between the losses of recorded and of eager steps, in bf16."""
SIMULATION_TOLERANCE = 0.25
"""Largest difference between the means of simulated crops, in standard deviations."""
CHECKED_STEPS = 8


def embeddings_apart(
    bench: Bench, checkpoint: Checkpoint, crops: np.ndarray
) -> tuple[float, float]:
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


def steps_apart(bench: Bench, config: TrainConfig, crop_set: CropSet) -> float:
    """Greatest relative difference between the losses of recorded and of eager steps."""
    curves = []
    for compiled in (False, True):
        trainer = trainer_of(config.replace(compiled=compiled), crop_set)
        batches = trainer.training_batches(np.random.default_rng(0))
        losses = [
            trainer.step(step, crops).clone()
            for step, crops in zip(range(CHECKED_STEPS), batches, strict=False)
        ]
        curves.append(torch.stack(losses).cpu())
    eager, recorded = curves
    apart = float(((recorded - eager) / eager).abs().max())
    return bench.check(f"losses of recorded steps of {config.encoder}", apart, LOSS_TOLERANCE)


def simulations_apart(bench: Bench) -> float:
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


def flops_of_a_crop(trainer: Trainer) -> float:
    """Operations of the loss and of its gradient, counted in products of matrices."""
    crops = next(trainer.training_batches(np.random.default_rng(0)))[:16]
    with FlopCounterMode(display=False) as counter, trainer.autocast:
        trainer.encoder.loss(crops, trainer.generator)["loss"].backward()
    return counter.get_total_flops() / len(crops)
