"""Compare this checkout with another one (`git worktree add ../before COMMIT`), in turns.

    python -m benchmarks.versions ../before [--rounds 5] [--what engine cae vit_mae_base]

Measures whole processes of the crop engine and, in a process that each side keeps, training and
embedding of `cae` and ViT-MAE-base. Prints medians and, as a ratio, before over now: above 1 now is
faster. Processor seconds stand beside those of the clock, which other programs disturb more. The
other checkout needs an interpreter of its own in `.venv`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.moon import WAC_PIXEL_M, write_catalogue, write_mosaic

CRATERS, WIDTH, HEIGHT = 100_000, 32_000, 16_000
ENCODERS = {"cae": (64, 32_768), "vit_mae_base": (2, 1_024)}
"""Training steps and embedded crops of a round."""
PYTHON = Path(".venv/bin/python")

KEPT = """
import json, os, sys, time
from pathlib import Path
from benchmarks.crop_sets import rendered_crop_set
from benchmarks.training_sides import Ours
worker = Ours(sys.argv[1], rendered_crop_set(Path(sys.argv[2]), 32_768, 64))
print("ready", flush=True)
for line in sys.stdin:
    name, *arguments = json.loads(line)
    wall, times = time.perf_counter(), os.times()
    getattr(worker, name)(*arguments)
    after = os.times()
    busy = after.user + after.system - times.user - times.system
    print(json.dumps([time.perf_counter() - wall, busy]), flush=True)
"""
"""What runs in each checkout: answers a JSON list (method, arguments) with seconds."""


class Kept:
    """A process of one checkout that trains and embeds when asked."""

    def __init__(self, checkout: Path, encoder: str, crops: Path) -> None:
        self.process = subprocess.Popen(
            [checkout / PYTHON, "-c", KEPT, encoder, crops],
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        assert self.stdout.readline() == "ready\n", f"{checkout} cannot build {encoder}"

    def __call__(self, *request: str | int) -> tuple[float, float]:
        """Return the seconds of the clock and of the processors."""
        print(json.dumps(request), file=self.stdin, flush=True)
        wall, busy = json.loads(self.stdout.readline())
        return wall, busy


def engine(checkout: Path, mosaic: Path, catalogue: Path, output: Path) -> tuple[float, float]:
    """Return the seconds of a whole process that makes a crop set of 64 px."""
    output.mkdir(exist_ok=True)
    script = "import resource,subprocess,sys,time;t=time.time();subprocess.run(sys.argv[1:],check=1"
    script += ",stdout=2);u=resource.getrusage(-1);print(time.time()-t,u.ru_utime+u.ru_stime)"
    command = [checkout / PYTHON, "benchmarks/crops.py", "engine", "--folder", output]
    command += ["--engine", mosaic, catalogue, "64"]
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=checkout,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    wall, busy = map(float, done.stdout.split()[-2:])
    return wall, busy


def in_turns(
    what: str, rounds: int, sides: list[Callable[[], tuple[float, float]]], amount: int
) -> None:
    """Print the medians of both sides, before and now; a first round of each does not count."""
    for side in sides:
        side()
    seconds = [[side() for side in sides] for _ in range(rounds)]
    (wall, wall_now), (busy, busy_now) = (
        [statistics.median(turn[side][clock] for turn in seconds) for side in (0, 1)]
        for clock in (0, 1)
    )
    print(
        f"{what:24s} {amount / wall:10.0f} {amount / wall_now:10.0f} {wall / wall_now:7.2f}"
        f" {busy:9.2f} {busy_now:9.2f} {busy / busy_now:7.2f}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--what", nargs="*", default=["engine", *ENCODERS])
    options = parser.parse_args()
    checkouts = [options.before.resolve(), Path.cwd()]
    print(f"{'':24s} {'crops/s':>21s} {'':7s} {'processor s':>19s}")
    print(f"{'':24s} {'before':>10s} {'now':>10s} {'ratio':>7s} {'before':>9s} {'now':>9s}", end="")
    print(f" {'ratio':>7s}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if "engine" in options.what:
            _compare_engines(checkouts, root, options.rounds)
        for encoder in ENCODERS.keys() & {*options.what}:
            _compare_encoder(encoder, checkouts, root, options.rounds)


def _compare_engines(checkouts: list[Path], root: Path, rounds: int) -> None:
    mosaic = write_mosaic(
        root / "mosaic.tif", width=WIDTH, height=HEIGHT, pixel_m=WAC_PIXEL_M, layout="striped"
    )
    reach = {"longitude_deg": 50.0, "latitude_deg": 24.0, "diameter_max_km": 10.0}
    catalogue = write_catalogue(root / "craters.csv", CRATERS, **reach)
    engines = [
        partial(engine, each, mosaic, catalogue, root / f"engine{number}")
        for number, each in enumerate(checkouts)
    ]
    in_turns("crop engine", rounds, engines, CRATERS)


def _compare_encoder(encoder: str, checkouts: list[Path], root: Path, rounds: int) -> None:
    steps, embedded = ENCODERS[encoder]
    kept = [
        Kept(each, encoder, root / f"{encoder}{number}") for number, each in enumerate(checkouts)
    ]
    train = [partial(side, "train", steps) for side in kept]
    in_turns(f"{encoder}, training", rounds, train, steps * 256)
    for precision in ("fp32", "bf16"):
        embed = [partial(side, "embed", embedded, precision) for side in kept]
        in_turns(f"{encoder}, embedding {precision}", rounds, embed, embedded)
    for side in kept:
        side.process.terminate()


if __name__ == "__main__":
    main()
