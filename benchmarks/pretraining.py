r"""Pretrain several networks on the same simulated craters within a given time, on a GPU.

    python -m benchmarks.pretraining --seconds 300 --output pretraining \
        --set networks=small,small,large,student --set batch_size=1024
    python -m benchmarks.pretraining --seconds 20 --device cpu --output tiny --set batch_size=32 \
        --set calibration=256                           # that the script itself works

Measures first what the machine does in a second, and chooses the number of steps accordingly, so
that the learning rate has come down to zero when the time is over; `mlflow run . -e pretrain` with
the parameters it prints trains the same. Half-way and at the end each encoder is written into
`output`, a checkpoint folder each. Prints crops/s of the simulation, of training and of embedding,
and the figures on unseen simulated craters. Needs PyTorch, pandas, pyarrow, safetensors and
pydantic, no mlflow; see `benchmarks.gpu` for a machine without a network.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lunar_models.config.base import specs
from lunar_models.config.pretrain import PretrainConfig
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.inference import inference_copy
from lunar_models.encoders.precision import autocast
from lunar_models.rendering.simulation import simulate_crops
from lunar_models.training.pretraining import Pretraining, PretrainingResult

WARMUP, PROBED = 40, 128
"""Steps; a GPU simulates craters for some 30 steps at once."""
MARGIN = 0.95
"""Of the time that the steps may take, because the first ones may run faster than the rest."""
EMBEDDED = 4096
CRATERS = 128
"""In each mosaic."""


def main() -> None:
    """Train, write and measure."""
    options = _options()
    started, output = time.perf_counter(), Path(options.output)
    config = _config(options)
    device = torch.device(config.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"torch {torch.__version__} on {name}; simulation {_simulation(config):.0f} crops/s")
    rate = _probed(config)
    left = options.seconds - options.reserve - (time.perf_counter() - started)
    config = config.replace(steps=max(1, int(rate * left * MARGIN)))
    print(f"{rate:.1f} steps/s, {rate * config.batch_size:.0f} crops/s in each of "
          f"{len(config.networks)} networks; steps={config.steps}", flush=True)  # fmt: skip
    run = Pretraining(config)
    half = config.steps // 2
    while run.step < config.steps:
        until = half if run.step < half else config.steps
        losses = run.advance(min(200, until - run.step))
        told = " ".join(f"{key} {value:.3f}" for key, value in losses.items() if "loss" in key)
        print(f"{time.perf_counter() - started:5.0f} s  step {run.step}  {told}", flush=True)
        if run.step == half:
            _write(run.results(), output / "half")
    results = run.results()
    _write(results, output)
    for number, result in enumerate(results):
        speed = _embedding(result.checkpoint, device)
        print(f"{number}-{result.network}: {speed:.0f} crops/s embedded; {_short(result.metrics)}")
    print(f"{time.perf_counter() - started:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", required=True)
    parser.add_argument("--seconds", type=float, default=300.0, help="of the whole script")
    parser.add_argument("--reserve", type=float, default=25.0, help="of them for the figures")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def _config(options: argparse.Namespace) -> PretrainConfig:
    parsers = {spec.name: spec for spec in specs(PretrainConfig)}
    given = dict(item.split("=", 1) for item in options.set)
    values = {
        name: parsers[name].parse(tuple(text.split(",")) if parsers[name].repeated else text)
        for name, text in given.items()
    }
    return PretrainConfig(device=options.device, output=options.output, **values)


def _simulation(config: PretrainConfig) -> float:
    """Crops simulated per second."""
    device = torch.device(config.device)
    generator = torch.Generator(device).manual_seed(0)
    mosaics = 16 if device.type == "cuda" else 1

    def simulate() -> None:
        simulate_crops(
            mosaics * CRATERS,
            crop_size_px=config.crop_size_px,
            context_diameters=config.context_diameters,
            generator=generator,
            mosaics=mosaics,
        )

    simulate()
    return 2 * mosaics * CRATERS / _seconds(simulate, device)


def _probed(config: PretrainConfig) -> float:
    """Steps per second of a training that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run = Pretraining(config.replace(output=folder))
        run.advance(WARMUP)
        return PROBED / _seconds(lambda: run.advance(PROBED), torch.device(config.device))


def _embedding(checkpoint: Checkpoint, device: torch.device) -> float:
    """Crops embedded per second, from crops that lie on the device."""
    encoder = inference_copy(checkpoint.encoder)
    side = encoder.crop_size_px
    crops = torch.rand(EMBEDDED, 1, side, side, device=device) - 0.5

    def embed() -> None:
        with autocast("auto", device):
            encoder.embed(crops)

    embed()
    return EMBEDDED / min(_seconds(embed, device) for _ in range(5))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _short(metrics: dict[str, float]) -> str:
    shown = ("spearman", "error_dex", "coverage_68", "coverage_95")
    return ", ".join(
        f"{name.removeprefix('physics/')} {value:.3f}"
        for name, value in metrics.items()
        if name.endswith(shown)
    )


def _write(results: tuple[PretrainingResult, ...], output: Path) -> None:
    for number, result in enumerate(results):
        folder = output / f"{number}-{result.network}"
        result.checkpoint.save(folder)
        (folder / "metrics.json").write_text(json.dumps(result.metrics, indent=2))


if __name__ == "__main__":
    main()
