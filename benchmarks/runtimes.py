"""Compare what embeds on a CPU: eager PyTorch, `torch.compile`, ONNX Runtime, packed layers.

    python -m benchmarks.runtimes [--encoder cae physics vit_mae] [--size 48] [--rounds 5]

The packed layers are those of `lunar_models.encoders.inference`: linear ones by a private operator
of PyTorch, all else by public ones; "folded" has public ones alone. All get the same weights and
crops, in batches of 256, and take turns. Printed are medians by the clock and of processor time,
which other programs disturb less. `torch.compile` and ONNX Runtime compile before the clock starts.
Needs the extra `export`.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from benchmarks.training_sides import build
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.inference import _replace_layers, inference_copy
from lunar_models.encoders.interchange.onnx_file import write_onnx
from lunar_models.encoders.interchange.program import CropsIn
from lunar_models.encoders.precision import autocast

BATCH = 256
Embed = Callable[[Tensor], object]


def runtimes(encoder: Encoder, folder: Path) -> dict[str, Embed]:
    """Return each way to embed a (256, 1, S, S) float32 batch."""
    half = autocast("bf16", encoder.device)
    packed, folded = inference_copy(encoder), folded_copy(encoder)
    packed_half = inference_copy(encoder, torch.bfloat16)
    compiled = torch.compile(encoder._embed)

    def with_half(embed: Callable[[Tensor], Tensor]) -> Embed:
        def call(batch: Tensor) -> Tensor:
            with half:
                return embed(batch)

        return call

    return {
        "eager": encoder._embed,
        "torch.compile": compiled,
        "ONNX Runtime": onnx_session(encoder, folder),
        "folded": folded._embed,
        "packed (ours)": packed._embed,
        "eager, bf16": with_half(encoder._embed),
        "torch.compile, bf16": with_half(compiled),
        "folded, bf16": with_half(folded._embed),
        "packed (ours), bf16": with_half(packed_half._embed),
    }


def folded_copy(encoder: Encoder) -> Encoder:
    """Fold batch normalisations and put channels last, as `inference_copy` does off the CPU."""
    copy = deepcopy(encoder).eval()
    _replace_layers(copy, None)
    return copy.to(memory_format=torch.channels_last)


def onnx_session(encoder: Encoder, folder: Path) -> Embed:
    """Export the encoder and open it in ONNX Runtime with as many threads as PyTorch has."""
    path = folder / f"{encoder.name}.onnx"
    write_onnx(CropsIn(Checkpoint(encoder)), path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch[:, 0].numpy()})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", nargs="*", default=["cae", "physics", "vit_mae"])
    parser.add_argument("--size", type=int, default=48, help="side of the crops, px")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    batch = torch.from_numpy(
        np.random.default_rng(0).normal(size=(BATCH, 1, options.size, options.size))
    ).float()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name in options.encoder:
            encoder = build(name, options.size, 0).eval()
            ways = runtimes(encoder, Path(folder))
            seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for round_number in range(options.rounds + 1):
                for way, embed in ways.items():
                    started, busy = time.perf_counter(), time.process_time()
                    embed(batch)
                    if round_number:  # the first compiles
                        wall = time.perf_counter() - started
                        seconds[way].append((wall, time.process_time() - busy))
            for way, times in seconds.items():
                wall, busy = map(statistics.median, zip(*times, strict=True))
                print(f"{name:10s} {way:22s} {BATCH / wall:9.0f} crops/s "
                      f"{busy / BATCH * 1e3:8.3f} processor ms/crop", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
