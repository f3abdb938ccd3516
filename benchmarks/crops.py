"""Compare the crop engine with a plain loop, on one mosaic, in one run.

    python benchmarks/crops.py compare              # both sizes, striped and tiled
    python benchmarks/crops.py full                 # 109,164 x 54,582 pixels, 1.3 million craters

`compare` measures whole calls of `make_crop_set`: catalogue, plan, sampling, Sun side, quality
columns, statistics, digests and files. The baselines do none of that:

    (a) per crater one rasterio window, one Pillow bicubic resize, float32 into a memory map
    (b) the same with an RGB copy and a float tensor, always at 224 px

`full` relates the engine to reading the mosaic and writing as many bytes once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from moon import (
    ROBBINS_COUNT,
    WAC_HEIGHT,
    WAC_PIXEL_M,
    WAC_WIDTH,
    write_catalogue,
    write_mosaic,
)
from PIL import Image
from rasterio.windows import Window

from lunar_models.catalogue.table import read_catalogue
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.crops.crop_set import CropSet
from lunar_models.mosaic.raster import Mosaic

CONTEXT = 1.5
BASELINE_CRATERS = 3_000
REGION_WIDTH, REGION_HEIGHT = 48_000, 22_000
ROUNDS = 3
"""All take turns so often; the medians are printed."""

OUTPUT_BYTES = 3 << 30
"""Of the engine in `compare`: more than a loop writes, less than the page cache takes."""


def main() -> None:
    """Run one of the two benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["compare", "full", "engine"])
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--layouts", nargs="+", default=["striped", "tiled"])
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[10**4, 10**5, 10**6, ROBBINS_COUNT]
    )
    parser.add_argument("--engine", nargs=3, metavar=("MOSAIC", "CATALOGUE", "SIZE"))
    arguments = parser.parse_args()
    if arguments.what == "engine":
        _engine_here(arguments.folder, *arguments.engine)
    elif arguments.what == "compare":
        compare(arguments.folder, arguments.sizes, arguments.layouts)
    else:
        full(arguments.folder, arguments.counts)


def compare(folder: Path, sizes: list[int], layouts: list[str]) -> None:
    """Print craters/s of the engine and both baselines, at about Robbins' density of craters."""
    print(f"craters of 1-10 km, {os.cpu_count()} cores; craters/s")
    print("layout   size  craters   (a) loop  (b) original    engine   of (a)   of (b)  peak GB")
    for layout in layouts:
        path = write_mosaic(
            folder / f"regional_{layout}.tif",
            width=REGION_WIDTH,
            height=REGION_HEIGHT,
            pixel_m=WAC_PIXEL_M,
            layout=layout,
        )
        for size in sizes:
            catalogue = _regional_catalogue(folder, min(200_000, OUTPUT_BYTES // size**2))
            _read_through(path)  # all start with the file in the page cache
            rounds = []
            for _ in range(ROUNDS):
                plain = _loop_rate(_plain_crop, path, catalogue, folder, size)
                original = _loop_rate(_original_crop, path, catalogue, folder, 224)
                seconds, count, peak = _engine(folder, path, catalogue, size)
                rounds.append((plain, original, count / seconds, peak))
            plain, original, rate, peak = np.median(rounds, axis=0)
            print(
                f"{layout:8} {size:4} {count:8} {plain:10.0f} {original:13.0f} {rate:9.0f}"
                f" {rate / plain:7.1f}x {rate / original:7.1f}x {peak:8.2f}",
                flush=True,
            )


def _regional_catalogue(folder: Path, count: int) -> Path:
    size_px = np.array([REGION_WIDTH, REGION_HEIGHT])
    reach = np.degrees(size_px / 2 * WAC_PIXEL_M / 1_737_400) - 0.3
    return write_catalogue(
        folder / f"region_{count}.csv",
        count,
        diameter_max_km=10.0,
        longitude_deg=reach[0],
        latitude_deg=reach[1],
    )


def full(folder: Path, counts: list[int]) -> None:
    """Print how the engine's time relates to reading the mosaic and writing the crops once."""
    path = write_mosaic(folder / "wac.tif", width=WAC_WIDTH, height=WAC_HEIGHT, pixel_m=WAC_PIXEL_M)
    reading = _timed(lambda: _read_through(path))
    size_mb = path.stat().st_size / 1e6
    print(f"plain sequential read: {reading:.1f} s, {size_mb / reading:.0f} MB/s")
    print("  craters   seconds  craters/s  mosaic MB/s  peak GB  write once s  of read + write")
    for count in counts:
        catalogue = write_catalogue(folder / f"global_{count}.csv", count)
        writing = _timed(lambda count=count: _write_through(folder / "plain.bin", count * 64 * 64))
        seconds, made, peak = _engine(folder, path, catalogue, 64)
        print(
            f"{made:9} {seconds:9.1f} {made / seconds:10.0f} {size_mb / seconds:12.0f}"
            f" {peak:8.2f} {writing:13.1f} {seconds / (reading + writing):16.1f}x",
            flush=True,
        )


def _engine(folder: Path, mosaic: Path, catalogue: Path, size: int) -> tuple[float, int, float]:
    """Seconds, crops and peak resident GB of a fresh process that makes a crop set.

    A first process compiles, so that the second finds the kernels on the disk.
    """
    command = [sys.executable, __file__, "engine", "--folder", str(folder), "--engine"]
    few = write_catalogue(folder / "few.csv", 100, longitude_deg=5.0, latitude_deg=5.0)
    for table in (few, catalogue):
        arguments = [str(mosaic), str(table), str(size)]
        result = subprocess.run(command + arguments, check=True, capture_output=True, text=True)
    seconds, count, peak = result.stdout.split()[-3:]
    return float(seconds), int(count), float(peak)


def _engine_here(folder: Path, mosaic: str, catalogue: str, size: str) -> None:
    """Make a crop set and print seconds, crops and peak GB; compiled kernels are loaded first."""
    output = folder / "crops"
    warm_up = {"limit": 50, "latitude_min_deg": -2.0, "latitude_max_deg": 2.0}
    for limits in (warm_up, {}):
        shutil.rmtree(output, ignore_errors=True)
        config = PreprocessConfig(
            mosaic=(mosaic,),
            catalogue=catalogue,
            output=str(output),
            crop_size_px=int(size),
            **limits,
        )
        seconds = _timed(lambda config=config: make_crop_set(config))
    count = len(CropSet.open(output))
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9  # of this process alone
    shutil.rmtree(output)
    print(f"{seconds:.3f} {count} {peak:.3f}")


def _loop_rate(
    cut: Callable[..., np.ndarray], path: Path, catalogue: Path, folder: Path, size: int
) -> float:
    """Craters/s of a loop that cuts one crater after the other."""
    craters = read_catalogue(catalogue)[0].iloc[:BASELINE_CRATERS]
    windows = _windows(Mosaic.open(path), craters)
    memory = folder / "loop.npy"
    shape = (len(windows), 3, size, size) if cut is _original_crop else (len(windows), size, size)
    output = np.lib.format.open_memmap(memory, "w+", np.float32, shape)
    with rasterio.open(path) as source:
        begin = time.perf_counter()
        for n, window in enumerate(windows):
            output[n] = cut(source, window, size)
        seconds = time.perf_counter() - begin
    memory.unlink()
    return len(windows) / seconds


def _plain_crop(source: rasterio.DatasetReader, window: Window, size: int) -> np.ndarray:
    pixels = Image.fromarray(source.read(1, window=window))
    return np.asarray(pixels.resize((size, size), Image.Resampling.BICUBIC), np.float32)


def _original_crop(source: rasterio.DatasetReader, window: Window, size: int) -> np.ndarray:
    pixels = Image.fromarray(source.read(1, window=window)).convert("RGB")
    pixels = pixels.resize((size, size), Image.Resampling.BICUBIC)
    import torch  # here, so that the engine's process does without

    tensor = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255.0
    return ((tensor - 0.5) / 0.5).numpy()


def _windows(mosaic: Mosaic, craters: pd.DataFrame) -> list[Window]:
    """Square windows in mosaic pixels, as the original pipeline cuts them."""
    column, row = mosaic.projection.to_pixels(
        longitude_deg=craters["longitude_deg"], latitude_deg=craters["latitude_deg"]
    )
    half = (craters["diameter_km"].to_numpy() * CONTEXT * 500 / WAC_PIXEL_M).round().astype(int)
    return [
        Window(int(x) - h, int(y) - h, 2 * h, 2 * h)
        for x, y, h in zip(column, row, half, strict=True)
        if h <= x < mosaic.width - h and h <= y < mosaic.height - h
    ]


def _read_through(path: Path) -> None:
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 24)
        while file.readinto(buffer):
            pass


def _write_through(path: Path, size: int) -> None:
    """Write and sync so many bytes."""
    block = np.random.default_rng(0).bytes(1 << 24)
    with open(path, "wb", buffering=0) as file:
        for _ in range(size // len(block)):
            file.write(block)
        os.fsync(file.fileno())
    path.unlink()


def _timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
