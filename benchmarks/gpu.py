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
import tempfile
import time
from pathlib import Path

try:
    import pydantic  # noqa: F401
except ImportError:
    raise SystemExit(
        "benchmarks.gpu needs pydantic, which checks the parameters. Without a network: "
        "`pip install --target PACKAGES pydantic` elsewhere with the same version of Python, copy "
        "that folder, and set PYTHONPATH=PACKAGES."
    ) from None

import numpy as np
import torch

from benchmarks.gpu_checks import (
    embeddings_apart,
    flops_of_a_crop,
    simulations_apart,
    steps_apart,
)
from benchmarks.gpu_table import Bench, Case
from benchmarks.gpu_work import (
    embedding,
    make_crop_set,
    pretraining,
    simulating,
    trainer_of,
    training,
    tuned_embedding,
    tuned_training,
)
from lunar_models.config.pretrain import PretrainConfig
from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.training.pretraining import Pretraining

PEAK_FLOPS = 790e12
"""Of an H100 in bf16, measured on large matrix products of random values."""
CASES = (
    Case("ViT-MAE-base", 224, 16_384, 64,
         {"encoder": "vit_mae", "model_size": "base", "patch_size_px": 16, "batch_size": 512},
         {"embedding": 3_735, "training": 3_018}, {"training": 6_046}),
    Case("physics", 48, 400_000, 256, {"encoder": "physics", "batch_size": 1024},
         {"embedding": 16_201, "training": 2_545}, {"embedding": 150_000, "training": 20_000}),
    Case("cae", 48, 800_000, 256, {"encoder": "cae", "batch_size": 2048},
         {"embedding": 52_874, "training": 28_226}, {"embedding": 300_000, "training": 54_000}),
)  # fmt: skip


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
    crop_set = make_crop_set(folder, case)
    config = TrainConfig(crops=str(folder), device=bench.device.type, epochs=1, **case.settings)
    torch.manual_seed(0)
    encoder = build_encoder(config, crop_size_px=case.side)
    checkpoint = Checkpoint.for_crops(encoder.eval(), crop_set)
    fp32, bf16 = embeddings_apart(bench, checkpoint, np.array(crop_set.crops[: case.checked]))
    ours = bench.rate(embedding(checkpoint, crop_set, bench.device))
    tuned = bench.rate(tuned_embedding(bench, checkpoint, crop_set), 3)
    bench.row(case, "embedding", ours=ours, tuned=tuned, of_tuned=ours / tuned,
              apart_fp32=fp32, apart_bf16=bf16)  # fmt: skip
    apart = steps_apart(bench, config, crop_set)
    eager = bench.rate(training(trainer_of(config.replace(compiled=False), crop_set)), 3)
    trainer = trainer_of(config, crop_set)
    ours = bench.rate(training(trainer), 6)
    tuned = bench.rate(tuned_training(trainer), 3)
    flops = flops_of_a_crop(trainer)
    bench.row(case, "training", ours=ours, eager=eager, tuned=tuned, loss_apart=apart,
              gflop_a_crop=flops / 1e9, of_peak=ours * flops / PEAK_FLOPS)  # fmt: skip


def _measure_pretraining(bench: Bench, batch_size: int) -> None:
    """Training of `inverse_rendering`, each crater simulated on the device and used once."""
    apart = simulations_apart(bench)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for compiled in (False, True):
            run = Pretraining(
                PretrainConfig(
                    device=bench.device.type, uses=1.0, batch_size=batch_size, output=folder,
                    compiled=compiled, steps=10**6,
                )
            )  # fmt: skip
            for learner in run.learners:
                learner.encoder.train()
            rates.append(bench.rate(pretraining(run, batch_size), 6))
    case = Case("inverse_rendering", 48, 0, 0, {}, {}, {})
    eager, ours = rates
    bench.row(case, "training", ours=ours, eager=eager, simulation_apart=apart)
    made = bench.rate(simulating(bench.device), 2)
    bench.row(case, "simulation", ours=made)


if __name__ == "__main__":
    main()
