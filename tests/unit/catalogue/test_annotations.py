"""Craters that annotation programs marked in images are read as boxes in pixels."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lunar_models.catalogue.table import read_catalogue
from lunar_models.errors import CatalogueError

CRATERS = [("a.png", 100.0, 50.0, 20.0), ("b.png", 30.5, 60.0, 41.0)]


def written(folder: Path, document: Any, name: str = "c.json") -> Path:
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return folder / name


def check(catalogue: pd.DataFrame, craters: list[tuple[str, float, float, float]]) -> None:
    read = catalogue[["image", "x_px", "y_px", "diameter_px"]].to_numpy().tolist()
    assert read == [list(crater) for crater in craters]


def coco(*categories: str) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "set/a.png"}, {"id": 9, "file_name": "set\\b.png"}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(categories)],
        "annotations": [
            {"id": n, "image_id": image, "category_id": n % max(len(categories), 1),
             "bbox": [x - d / 2, y - d / 2, d, d]}
            for n, (image, (_, x, y, d)) in enumerate(zip((7, 9), CRATERS, strict=True))
        ],
    }  # fmt: skip


def test_coco(tmp_path: Path) -> None:
    check(read_catalogue(written(tmp_path, coco("crater")))[0], CRATERS)
    check(read_catalogue(written(tmp_path, coco("Crater", "boulder")))[0], CRATERS[:1])
    with pytest.raises(CatalogueError, match="none of which is called crater"):
        read_catalogue(written(tmp_path, coco("pit", "boulder")))
    broken = coco("crater")
    del broken["annotations"][0]["bbox"]
    with pytest.raises(CatalogueError, match="lacks what it needs"):
        read_catalogue(written(tmp_path, broken))


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("rectangle", [[110, 40], [90, 60]]),
        ("circle", [[100, 50], [106, 58]]),
        ("polygon", [[90, 50], [100, 60], [110, 50], [100, 40]]),
    ],
)
def test_labelme(tmp_path: Path, kind: str, points: list[list[float]]) -> None:
    shape = {"label": "crater", "points": points, "shape_type": kind}
    document = {"imagePath": "../a.png", "shapes": [shape], "imageHeight": 200, "imageWidth": 300}
    check(read_catalogue(written(tmp_path, document))[0], CRATERS[:1])
    shape["shape_type"] = "line"
    with pytest.raises(CatalogueError, match="'line', which has no diameter"):
        read_catalogue(written(tmp_path, document))


VIA_SHAPES = [
    {"name": "rect", "x": 90, "y": 40, "width": 20, "height": 20},
    {"name": "circle", "cx": 100, "cy": 50, "r": 10},
    {"name": "ellipse", "cx": 100, "cy": 50, "rx": 8, "ry": 12, "theta": 0.7},
    {"name": "polygon", "all_points_x": [90, 110, 100], "all_points_y": [50, 40, 60]},
]


@pytest.mark.parametrize("shape", VIA_SHAPES)
def test_via(tmp_path: Path, shape: dict[str, Any]) -> None:
    region = {"shape_attributes": shape, "region_attributes": {"type": "crater"}}
    image = {"a.png123": {"filename": "a.png", "size": 123, "regions": [region]}}
    for document in (image, {"_via_img_metadata": image, "_via_settings": {}}):
        check(read_catalogue(written(tmp_path, document))[0], CRATERS[:1])
    table = pd.DataFrame(
        {
            "filename": ["a.png"], "file_size": 123, "file_attributes": "{}", "region_count": 1,
            "region_id": 0, "region_shape_attributes": [json.dumps(shape)],
            "region_attributes": [json.dumps({"type": "crater"})],
        }
    )  # fmt: skip
    table.to_csv(tmp_path / "via.csv", index=False)
    check(read_catalogue(tmp_path / "via.csv")[0], CRATERS[:1])


@pytest.mark.parametrize("name", ["labels.txt", "c.csv"])
def test_yolo_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "0 0.512 0.25 0.1 0.1\n0 0.2 0.75 0.05 0.06\n", name)
    with pytest.raises(CatalogueError, match=r"YOLO.*Multiply x and width by the image's width"):
        read_catalogue(path)


def test_pascal_voc_is_refused_by_name(tmp_path: Path) -> None:
    text = "<?xml version='1.0'?>\n<annotation><object><bndbox/></object></annotation>"
    with pytest.raises(CatalogueError, match=r"Pascal VOC.*counts from 1"):
        read_catalogue(written(tmp_path, text, "a.xml"))
