"""Open damaged files of every kind that the project reads, in a process of its own.

``python damaged_files.py FOLDER FIRST LAST`` prints each case before it is tried, and a line
beginning with ``FAULT`` for every error that is not one of ours.
"""

import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import torch
from affine import Affine
from bent import bent, bent_json
from planted_moon import GEOGRAPHIC, write_array
from service_parts import make_parts
from shapely import box

from lunar_models.catalogue.craterstats import read_craterstats
from lunar_models.catalogue.labels import read_depths, read_labels
from lunar_models.catalogue.table import read_catalogue
from lunar_models.clustering.model import ClusterModel
from lunar_models.config.label import read_label_config
from lunar_models.crops.crop_set import CropSet
from lunar_models.degradation.area_files import read_area
from lunar_models.degradation.state_columns import read_state_columns
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import LunarModelsError
from lunar_models.heads.head import Head
from lunar_models.labelling import label_studio
from lunar_models.labelling.answers import read_order
from lunar_models.labelling.reading import read_votes
from lunar_models.labelling.scheme import default_scheme, read_scheme
from lunar_models.mosaic.overview import read_overview
from lunar_models.mosaic.raster import Mosaic
from lunar_models.neighbours import NeighbourIndex
from lunar_models.training.resume import TrainingState
from serving.app.pointer import Pointer
from serving.app.tokens import TokenStore, create_token

SLOWEST_S = 20.0
MEMORY_BYTES = 12 * 2**30


def read_crops(folder: Path) -> None:
    crop_set = CropSet.open(folder)
    _ = crop_set.metadata, crop_set.indices("train"), np.array(crop_set.crops)


def read_mosaic(file: Path) -> None:
    read_overview(Mosaic.open(file), width_px=40)


KINDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "craters.csv": ("", read_catalogue),
    "craters.gpkg": ("", read_catalogue),
    "craters.geojson": ("", read_catalogue),
    "craters.parquet": ("", read_catalogue),
    "craters.xlsx": ("", read_catalogue),
    "craters.csv.gz": ("", read_catalogue),
    "count.scc": ("", read_craterstats),
    "labels.csv": ("", read_labels),
    "depths.csv": ("", read_depths),
    "states.csv": ("", read_state_columns),
    "area.geojson": ("", read_area),
    "area.gpkg": ("", read_area),
    "mosaic.tif": ("", read_mosaic),
    "parts/crops": ("*", read_crops),
    "parts/encoder": ("*", Checkpoint.load),
    "parts/clusters": ("*", ClusterModel.load),
    # The graph is native code, which a server tries in a process of its own.
    "parts/neighbours": ("[!i]*", NeighbourIndex.load),
    "parts/head/head.npz": ("", Head.load),
    "scheme.yaml": ("", read_scheme),
    "labelling.yaml": ("", read_label_config),
    "order.csv": ("", read_order),
    "votes.csv": ("", lambda file: read_votes(str(file))),
    "votes.parquet": ("", lambda file: read_votes(str(file))),
    "tasks.json": ("", lambda file: list(label_studio.read(file, default_scheme(), "ada"))),
    "tokens.json": ("", TokenStore),
    "pointer.json": ("", Pointer.read),
    "training": ("*", lambda folder: TrainingState.load(folder, "f")),
}
"""A good file or folder, which files of the folder are damaged, and what reads it."""


def make_good(folder: Path) -> None:
    """Write a good one of every kind."""
    dice = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "crater_id": [f"C{n}" for n in range(30)],
            "longitude_deg": dice.uniform(-180, 180, 30),
            "latitude_deg": dice.uniform(-80, 80, 30),
            "diameter_km": dice.uniform(1, 90, 30),
        }
    )
    table.to_csv(folder / "craters.csv", index=False)
    table.to_csv(folder / "craters.csv.gz", index=False)
    table.to_excel(folder / "craters.xlsx", index=False)
    table.to_parquet(folder / "craters.parquet")
    points = gpd.points_from_xy(table["longitude_deg"], table["latitude_deg"])
    frame = gpd.GeoDataFrame(table, geometry=points, crs="IAU_2015:30100")
    area = gpd.GeoDataFrame(geometry=[box(0, 0, 10, 10)], crs="IAU_2015:30100")
    for kind in ("gpkg", "geojson"):
        frame.to_file(folder / f"craters.{kind}")
        area.to_file(folder / f"area.{kind}")
    (folder / "count.scc").write_text(
        "Total_area = 100.0\ncrater = {diam, fraction, lon, lat\n1.5 1 2 3\n2.5 1 4 5\n}\n"
    )
    states = table[["crater_id"]].assign(state=["New", "Semi-New", "Old"] * 10, k_over_r2=0.01)
    states.rename(columns={"crater_id": "CRATER_ID"}).to_csv(folder / "labels.csv", index=False)
    states.to_csv(folder / "states.csv", index=False)
    states[["crater_id"]].to_csv(folder / "order.csv", index=False)
    depths = table[["crater_id"]].assign(depth_over_diameter=dice.uniform(0.05, 0.2, 30))
    depths.to_csv(folder / "depths.csv", index=False)
    votes = states.rename(columns={"state": "value"}).assign(labeller="ada", kind="ordinary")
    votes.to_csv(folder / "votes.csv", index=False)
    votes.to_parquet(folder / "votes.parquet")
    values = dice.integers(10, 200, (40, 80)).astype(np.uint8)
    write_array(
        folder / "mosaic.tif", values, crs=GEOGRAPHIC, transform=Affine(4.5, 0, -180, 0, -4.5, 90)
    )
    parts = make_parts(folder / "parts")
    (folder / "scheme.yaml").write_text(default_scheme().model_dump_json())
    crops = {"crops": str(parts.crop_set.path), "store": "labels.db"}
    (folder / "labelling.yaml").write_text(json.dumps(crops))
    write_tasks(folder / "tasks.json")
    create_token(folder / "tokens.json", name="ada", scopes=["read"])
    Pointer(folder="f", name="n", version="1").write(folder / "pointer.json")
    weights = {"weight": torch.zeros(3, 4)}
    TrainingState("f", [{"loss": 1.0}], 0, weights, weights, {"lr": 0.1}, {}).save(
        folder / "training"
    )


def write_tasks(file: Path) -> None:
    """Label Studio's export of three answers."""
    choice = {"from_name": "state", "type": "choices", "value": {"choices": ["New"]}}
    annotation = {"result": [choice], "completed_by": 1, "created_at": "2026-01-02T03:04:05Z"}
    tasks = [{"data": {"crater_id": f"C{n}"}, "annotations": [annotation]} for n in range(3)]
    file.write_text(json.dumps(tasks))


def damage(dice: random.Random, file: Path, others: list[bytes]) -> None:
    """Bend the bytes of a file, or the values of one that is JSON."""
    data = file.read_bytes()
    if dice.random() < 0.5:
        try:
            value = json.loads(data)
        except ValueError:
            pass
        else:
            for _ in range(dice.choice([1, 1, 2, 4])):
                value = bent_json(dice, value)
            file.write_text(json.dumps(value))
            return
    file.write_bytes(bent(dice, data, others))


def attempt(number: int, good: Path, work: Path, others: list[bytes]) -> None:
    """Damage one file, and open what it belongs to."""
    dice = random.Random(number)
    name = list(KINDS)[number % len(KINDS)]
    pattern, read = KINDS[name]
    copy = work / Path(name).name
    if pattern:
        shutil.copytree(good / name, copy)
        damage(dice, dice.choice(sorted(copy.glob(pattern))), others)
    else:
        shutil.copyfile(good / name, copy)
        damage(dice, copy, others)
    print(number, name, flush=True)
    began = time.monotonic()
    try:
        read(copy)
        print("OK", flush=True)
    except LunarModelsError as error:
        print("REFUSED", flush=True)
        if "Traceback" in str(error):
            print("FAULT", number, name, str(error)[:200].replace("\n", " "))
    except BaseException as error:
        where = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        ours = [f for f in where if "/lunar_models/" in f or "/serving/" in f][-1:]
        print(
            "FAULT", number, name, type(error).__name__, str(error)[:150].replace("\n", " "), ours
        )
    if (took := time.monotonic() - began) > SLOWEST_S:
        print("FAULT", number, name, f"took {took:.0f} s")


def main() -> None:
    folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    good = folder / "good"
    if not good.exists():
        good.mkdir(parents=True)
        make_good(good)
        for name, (_, read) in KINDS.items():
            read(good / name)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    others = [
        file.read_bytes()[:4096]
        for file in sorted(good.rglob("*"))
        if file.is_file() and file.stat().st_size
    ]
    for number in range(first, last):
        with tempfile.TemporaryDirectory(dir=folder) as work:
            attempt(number, good, Path(work), others)


if __name__ == "__main__":
    main()
