"""Browse a release of the size of Robbins' catalogue: time of each tile and of a pan, memory.

    python -m benchmarks.tiles [--craters 1296796] [--pans 200]

Synthetic craters of Robbins' sizes, evenly spread. A pan is what the page asks for when the view,
1280 x 800 px, moves by itself: all tiles of it, at every level, one after the other; tiles that
the page still has are asked for again here. The server runs in a process of its own. Needs Linux.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pc
import requests
import uvicorn
from fastapi import FastAPI

from benchmarks.moon import ROBBINS_COUNT, write_catalogue
from lunar_models.catalogue.tiles import TileFile, write_tiles
from serving.app.release import Release
from serving.app.routes import map as map_routes

PORT = 5923
VIEW_PX = 1280, 800
TILE_PX = 256


def main() -> None:
    """Write the tiles, serve them, ask for them, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--craters", type=int, default=ROBBINS_COUNT)
    parser.add_argument("--pans", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark"))
    parser.add_argument("--serve", type=Path)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve)
        return
    table = _craters(write_catalogue(arguments.folder / f"global_{arguments.craters}.csv",
                                     arguments.craters))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiles.arrow"
        started = time.process_time()
        write_tiles(path, table)
        wrote = time.process_time() - started
        started = time.process_time()
        tiles = TileFile(path)
        print(f"{len(tiles):,} craters, {len(tiles.occupied):,} tiles at {tiles.levels} levels, "
              f"{path.stat().st_size / 1e6:.0f} MB; written in {wrote:.1f} CPU s, opened in "
              f"{time.process_time() - started:.2f} CPU s")  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.tiles", "--serve", str(path)]
        server = subprocess.Popen(command)
        try:
            _ask(psutil.Process(server.pid), tiles.levels, arguments.pans)
        finally:
            server.terminate()
            server.wait()


def _craters(catalogue: Path) -> pa.Table:
    """What a release draws of each crater."""
    read = pc.read_csv(catalogue)
    longitude = (read["LON_CIRC_IMG"].to_numpy() + 180.0) % 360.0 - 180.0
    generator = np.random.default_rng(0)
    count = len(read)
    return pa.table(
        {
            "crater_id": read["CRATER_ID"],
            "longitude_deg": longitude,
            "latitude_deg": read["LAT_CIRC_IMG"],
            "diameter_km": read["DIAM_CIRC_IMG"],
            "state": pa.array(generator.integers(1, 5, count), pa.int32()),
            "degradation": pa.array(generator.random(count), pa.float32()),
            "cluster_id": pa.array(generator.integers(0, 8, count), pa.int32()),
        }
    )


class _State:
    """As much of a worker as the routes of tiles need."""

    def __init__(self, release: Release) -> None:
        self.release, self.locator = release, None


def _serve(path: Path) -> None:
    print(f"memory without tiles   {_memory(psutil.Process())}", flush=True)
    app = FastAPI()
    app.include_router(map_routes.router)
    app.state.runtime = _State(Release(path.parent, {}, TileFile(path)))
    uvicorn.run(app, port=PORT, log_level="warning")


def _ask(server: psutil.Process, levels: int, pans: int) -> None:
    session = requests.Session()
    address = f"http://127.0.0.1:{PORT}/v1/tiles"
    for _ in range(600):
        try:
            session.get(f"{address}/0/0/0", timeout=5)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    print(f"memory at the start    {_memory(server)}")
    generator = np.random.default_rng(1)
    tile_ms: list[float] = []
    pan_ms: list[float] = []
    pan_cpu_ms: list[float] = []
    sizes: list[int] = []
    for _ in range(pans):
        keys = _view(generator, levels)
        started, spent = time.perf_counter(), _processor_ms(server)
        for level, column, row in keys:
            begun = time.perf_counter()
            reply = session.get(f"{address}/{level}/{column}/{row}", timeout=30)
            reply.raise_for_status()
            tile_ms.append(1e3 * (time.perf_counter() - begun))
            sizes.append(len(reply.content))
        pan_ms.append(1e3 * (time.perf_counter() - started))
        pan_cpu_ms.append(_processor_ms(server) - spent)
    print(f"memory after {pans} pans  {_memory(server)}")
    rows = {"tile": tile_ms, "pan": pan_ms, "pan, CPU of the server": pan_cpu_ms}
    for name, values in rows.items():
        middle, late, last = np.percentile(values, (50, 95, 100))
        print(f"{name:22} {len(values):6}  median {middle:6.1f} ms  p95 {late:6.1f} ms  "
              f"largest {last:6.1f} ms")  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"a tile has {np.mean(sizes) / 1e3:.0f} kB on average, {max(sizes) / 1e3:.0f} at most")


def _processor_ms(server: psutil.Process) -> float:
    """Of all threads, to the nanosecond; `cpu_times` counts in hundredths of a second."""
    files = Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e6


def _view(generator: np.random.Generator, levels: int) -> list[tuple[int, int, int]]:
    """Tiles of a view somewhere, at some zoom, as `tiles.js` asks for them."""
    deepest = int(generator.integers(0, levels))
    scale = TILE_PX * 2**deepest / 180.0 * generator.uniform(1.0, 2.0)  # px per degree
    longitude, latitude = generator.uniform(-180, 180), generator.uniform(-80, 80)
    east, north = (side / 2 / scale for side in VIEW_PX)
    found = []
    for level in range(deepest + 1):
        side = 180.0 / 2**level
        columns = range(
            max(0, int((longitude - east + 180) // side)),
            min(2 ** (level + 1) - 1, int((longitude + east + 180) // side)) + 1,
        )
        rows = range(max(0, int((90 - latitude - north) // side)),
                     min(2**level - 1, int((90 - latitude + north) // side)) + 1)  # fmt: skip
        found += [(level, column, row) for column in columns for row in rows]
    return found


def _memory(server: psutil.Process) -> str:
    """Of its own (anonymous), and with libraries and the map of the tiles (resident)."""
    own = sum(each.anonymous for each in server.memory_maps(grouped=True))
    return f"{own / 1e6:.0f} MB its own, {server.memory_info().rss / 1e6:.0f} MB resident"


if __name__ == "__main__":
    main()
