"""Training and embedding against the plain float32 eager loop: same model, same crops, same run.

    python -m benchmarks.training [--encoder cae|vit_mae_base|physics …] [--size 64] [--steps 20]

Prints crops/s of both and their ratio, the losses they end with, and the peak memory. The plain
loop is what a tutorial writes: float32, contiguous tensors, an ordinary AdamW, ``loss.item()``.
Times are of the processor (`time.process_time` over the threads), so that a busy machine does not
decide the ratio; with --wall they are those of the clock.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import ViTMAEConfig

from lunar_models.config.train import TrainConfig
from lunar_models.embedding import embed_crops
from lunar_models.encoders import Encoder, build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.rendering import render_craters
from lunar_models.encoders.vit_mae import ViTMaeEncoder
from lunar_models.normalisation import Normalisation
from lunar_models.precision import autocast

Crops = npt.NDArray[np.uint8]
LEARNING_RATE = 1e-3
CPU = torch.device("cpu")


@dataclass
class Run:
    """How fast, and to what end."""

    crops_per_second: float
    result: float


def build(name: str, size: int) -> Encoder:
    """An encoder with the same weights each time."""
    torch.manual_seed(0)
    if name != "vit_mae_base":
        config = TrainConfig(crops="", encoder=name, latent_dim=20)  # type: ignore[arg-type]
        return build_encoder(config, crop_size_px=size)
    architecture = ViTMAEConfig().to_dict()
    input_format = {"side_px": size // 16 * 16, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    return ViTMaeEncoder(crop_size_px=size, architecture=architecture, input_format=input_format)


def train_plain(encoder: Encoder, batches: list[Crops], clock: Callable[[], float]) -> Run:
    """The loop of a tutorial."""
    normalise, generator = Normalisation(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=LEARNING_RATE, foreach=False)

    def step(batch: Crops) -> float:
        optimiser.zero_grad()
        loss = encoder.loss(normalise(torch.from_numpy(batch)), generator)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return float(loss.item())

    return _timed(step, batches, clock)


def train_fast(encoder: Encoder, batches: list[Crops], clock: Callable[[], float]) -> Run:
    """What `lunar_models.training` does with a batch."""
    normalise, generator = Normalisation(), torch.Generator().manual_seed(0)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=LEARNING_RATE, fused=True)
    bf16 = autocast("auto", CPU)

    def step(batch: Crops) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        with bf16:
            loss = encoder.loss(normalise(torch.from_numpy(batch)), generator)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return loss.detach()

    return _timed(step, batches, clock)


def embed_plain(encoder: Encoder, crops: Crops, clock: Callable[[], float]) -> Run:
    """One forward pass per 64 crops, float32."""
    normalise = Normalisation()
    encoder.eval()
    started = clock()
    with torch.no_grad():
        parts = [
            encoder._embed(normalise(torch.from_numpy(crops[i : i + 64])))
            for i in range(0, len(crops), 64)
        ]
    seconds = clock() - started
    return Run(len(crops) / seconds, float(torch.cat(parts).std()))


def embed_fast(encoder: Encoder, crops: Crops, clock: Callable[[], float], precision: Any) -> Run:
    """`embed_crops`."""
    started = clock()
    embeddings = embed_crops(Checkpoint(encoder), crops, device="cpu", precision=precision)
    return Run(len(crops) / (clock() - started), float(embeddings.std()))


def _timed(
    step: Callable[[Crops], float | Tensor],
    batches: list[Crops],
    clock: Callable[[], float],
) -> Run:
    step(batches[0])
    started = clock()
    losses = [step(batch) for batch in batches[1:]]
    seconds = clock() - started
    crops = sum(len(batch) for batch in batches[1:])
    return Run(crops / seconds, sum(map(float, losses[-5:])) / len(losses[-5:]))


def _compare(what: str, plain: Run, fast: Run, result: str) -> None:
    print(
        f"{what:28s} plain {plain.crops_per_second:8.1f} crops/s   "
        f"ours {fast.crops_per_second:8.1f} crops/s   "
        f"ratio {fast.crops_per_second / plain.crops_per_second:4.2f}   "
        f"{result} {plain.result:.4f} / {fast.result:.4f}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", nargs="+", default=["cae", "vit_mae_base"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--embed", type=int, default=2048)
    parser.add_argument("--wall", action="store_true")
    options = parser.parse_args()
    clock = time.perf_counter if options.wall else time.process_time
    generator = torch.Generator().manual_seed(0)
    rendered = render_craters(
        256, crop_size_px=options.size, context_diameters=1.5, generator=generator
    )
    stock = rendered.brightness.clamp(0, 255).byte().numpy()
    rng = np.random.default_rng(0)
    batches = [rng.choice(stock, options.batch) for _ in range(options.steps + 1)]
    crops = rng.choice(stock, options.embed)
    for name in options.encoder:
        plain, fast = build(name, options.size), build(name, options.size)
        trained = train_plain(plain, batches, clock), train_fast(fast, batches, clock)
        _compare(f"{name} training", *trained, "loss")
        fresh = build(name, options.size)
        embedded = embed_plain(fresh, crops, clock)
        for precision in ("fp32", "bf16"):
            faster = embed_fast(fresh, crops, clock, precision)
            _compare(f"{name} embedding {precision}", embedded, faster, "spread")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{torch.get_num_threads()} threads, peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
