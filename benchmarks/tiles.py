"""Browse a release of the size of Robbins' catalogue: time of each tile and of a pan, memory.

    python -m benchmarks.tiles [--craters 1296796] [--pans 200]

Synthetic craters of Robbins' sizes, evenly spread. A view of 1280 x 800 px needs its tiles of all
levels, which are asked for one after the other; a pan moves it east by half of its width, for
which the page asks for the tiles that it does not have. The server runs in a process of its own.
Needs Linux.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pc
import requests
import uvicorn
from fastapi import FastAPI

from benchmarks.moon import ROBBINS_COUNT, write_catalogue
from lunar_models.catalogue.tiles import TileFile, write_tiles
from serving.app.gate import EVERYBODY
from serving.app.release import Release
from serving.app.routes import map as map_routes

PORT = 5923
ADDRESS = f"http://127.0.0.1:{PORT}/v1/tiles"
VIEW_PX = 1280, 800
TILE_PX = 256

_Key = tuple[int, int, int]
"""Level, column, row."""


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
    app.state.runtime = _State(Release(path.parent, {"model": {}}, TileFile(path)))
    app.state.labelling = None

    async def let_in(scope: Any, receive: Any, send: Any) -> None:
        scope["caller"] = EVERYBODY
        await app(scope, receive, send)

    uvicorn.run(let_in, port=PORT, log_level="warning")


def _ask(server: psutil.Process, levels: int, pans: int) -> None:
    session = requests.Session()
    for _ in range(600):
        try:
            session.get(f"{ADDRESS}/0/0/0", timeout=5)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    print(f"memory at the start    {_memory(server)}")
    generator = np.random.default_rng(1)
    asked: dict[str, list[_Cost]] = {"view": [], "pan": []}
    for _ in range(pans):
        view = _draw_view(generator, levels)
        shown, after = _tiles(view), _tiles(view.moved_by_half())
        asked["view"].append(_fetch(session, server, shown))
        asked["pan"].append(_fetch(session, server, [key for key in after if key not in shown]))
    print(f"memory after {pans} pans  {_memory(server)}")
    for name, costs in asked.items():
        print(f"{name}: {np.mean([len(cost.tile_ms) for cost in costs]):.1f} tiles on average")
        _print_times("  wall", [sum(cost.tile_ms) for cost in costs])
        _print_times("  CPU of the server", [cost.cpu_ms for cost in costs])
    every = [cost for costs in asked.values() for cost in costs]
    _print_times("tile, wall", [ms for cost in every for ms in cost.tile_ms])
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    sizes = [size for cost in every for size in cost.sizes]
    print(f"a tile has {np.mean(sizes) / 1e3:.0f} kB on average, {max(sizes) / 1e3:.0f} at most")


class _Cost(NamedTuple):
    """Of the tiles that were asked for together."""

    tile_ms: list[float]
    cpu_ms: float
    sizes: list[int]


def _fetch(session: requests.Session, server: psutil.Process, keys: list[_Key]) -> _Cost:
    spent = _processor_ms(server)
    tile_ms, sizes = [], []
    for level, column, row in keys:
        begun = time.perf_counter()
        reply = session.get(f"{ADDRESS}/{level}/{column}/{row}", timeout=30)
        reply.raise_for_status()
        tile_ms.append(1e3 * (time.perf_counter() - begun))
        sizes.append(len(reply.content))
    return _Cost(tile_ms, _processor_ms(server) - spent, sizes)


def _print_times(name: str, values: list[float]) -> None:
    middle, late, last = np.percentile(values, (50, 95, 100))
    print(f"{name:22} median {middle:6.1f} ms  p95 {late:6.1f} ms  largest {last:6.1f} ms")


def _processor_ms(server: psutil.Process) -> float:
    """Of all threads, to the nanosecond; `cpu_times` counts in hundredths of a second."""
    files = Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e6


class _View(NamedTuple):
    deepest: int
    scale: float
    """Pixels per degree."""
    longitude: float
    latitude: float

    def moved_by_half(self) -> "_View":
        """The view after a pan to the east."""
        return self._replace(longitude=self.longitude + VIEW_PX[0] / 2 / self.scale)


def _draw_view(generator: np.random.Generator, levels: int) -> _View:
    """A view somewhere, at some zoom."""
    deepest = int(generator.integers(0, levels))
    scale = TILE_PX * 2**deepest / 180.0 * generator.uniform(1.0, 2.0)
    return _View(deepest, scale, generator.uniform(-180, 180), generator.uniform(-80, 80))


def _tiles(view: _View) -> list[_Key]:
    """Tiles of a view, as `tiles.js` asks for them."""
    east, north = (side / 2 / view.scale for side in VIEW_PX)
    found = []
    for level in range(view.deepest + 1):
        side = 180.0 / 2**level
        columns = range(
            max(0, int((view.longitude - east + 180) // side)),
            min(2 ** (level + 1) - 1, int((view.longitude + east + 180) // side)) + 1,
        )
        rows = range(
            max(0, int((90 - view.latitude - north) // side)),
            min(2**level - 1, int((90 - view.latitude + north) // side)) + 1,
        )
        found += [(level, column, row) for column in columns for row in rows]
    return found


def _memory(server: psutil.Process) -> str:
    """Of its own (anonymous), and with libraries and the map of the tiles (resident)."""
    own = sum(each.anonymous for each in server.memory_maps(grouped=True))
    return f"{own / 1e6:.0f} MB its own, {server.memory_info().rss / 1e6:.0f} MB resident"


if __name__ == "__main__":
    main()
