"""Read craters that annotation programs marked in images: COCO, LabelMe and VIA.

Formats: https://cocodataset.org/#format-data, https://github.com/wkentaro/labelme and
https://www.robots.ox.ac.uk/~vgg/software/via. All count pixels from the upper left corner of the
image, whose first pixel spans 0 to 1.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.catalogue.column_names import BOX
from lunar_models.errors import CatalogueError

MOST_BYTES = 2**28
_HEAD = 4096
_VIA_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_YOLO = re.compile(r"\d{1,4}(?:\s+(?:0?\.\d+|[01](?:\.0*)?)){4,5}\s*$")
_FIELDS = ("crater_id", "image", "label", *BOX)


def read_annotations(path: Path) -> tuple[pd.DataFrame, str] | None:
    """Read craters of an annotation file as boxes in pixels.

    Args:
        path: COCO, LabelMe or VIA as JSON; VIA as CSV.

    Returns:
        crater_id, image, and x_min_px, y_min_px, x_max_px, y_max_px, as `columns.match_columns`
        knows them; and what was read. None for any other file.

    Raises:
        CatalogueError: YOLO or Pascal VOC, whose numbers need another file; shapes that are no
            craters, or of several kinds, none of which is called crater.
    """
    with path.open("rb") as file:
        start = file.read(_HEAD).decode("utf-8-sig", errors="ignore").lstrip()
    _refuse_others(start, path)
    via = start.split("\n", 1)[0].lower()
    if start.startswith("{"):
        found = _read_json(path)
    elif all(name in via for name in _VIA_COLUMNS):
        found = "VIA", list(_via_rows(path))
    else:
        return None
    if found is None:
        return None
    kind, rows = found
    table = pd.DataFrame(rows, columns=_FIELDS)
    return _craters_only(table, path).drop(columns="label"), f"{kind} annotations"


def _refuse_others(start: str, path: Path) -> None:
    if _YOLO.match(start.split("\n", 1)[0].strip()):
        raise CatalogueError(
            f"{path} looks like YOLO (class, and x, y, width, height as fractions of the image, "
            "without a header). Multiply x and width by the image's width, y and height by its "
            "height, and write x_px,y_px,diameter_px,image with a header."
        )
    if "<annotation" in start[:_HEAD] and start.startswith("<"):
        raise CatalogueError(
            f"{path} looks like Pascal VOC. Write xmin,ymin,xmax,ymax,image with a header, counted "
            "from 0 at the upper left corner (VOC counts from 1: take 1 from xmin and ymin)."
        )


def _read_json(path: Path) -> tuple[str, list[tuple[Any, ...]]] | None:
    if path.stat().st_size > MOST_BYTES:
        return None
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("type") == "FeatureCollection":
        return None
    document = document.get("_via_img_metadata", document)
    images = [value for value in document.values() if isinstance(value, dict)]
    try:
        if {"images", "annotations"} <= document.keys():
            return "COCO", list(_coco(document))
        if {"shapes", "imagePath"} <= document.keys():
            return "LabelMe", list(_labelme(document, path))
        if images and all({"filename", "regions"} <= image.keys() for image in images):
            return "VIA", list(_via(images, path))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CatalogueError(
            f"{path} looks like annotations, but an entry lacks what it needs ({error!r}). Correct "
            "it, or write x_px,y_px,diameter_px,image as CSV."
        ) from error
    return None


def _coco(document: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    names = {image["id"]: _file_name(image["file_name"]) for image in document["images"]}
    labels = {c["id"]: str(c["name"]) for c in document.get("categories", ())}
    for number, entry in enumerate(document["annotations"], 1):
        left, top, width, height = map(float, entry["bbox"])
        label = labels.get(entry.get("category_id"), "")
        box = (left, top, left + width, top + height)
        yield str(entry.get("id", number)), names[entry["image_id"]], label, *box


def _labelme(document: Mapping[str, Any], path: Path) -> Iterator[tuple[Any, ...]]:
    name = _file_name(document["imagePath"])
    for number, shape in enumerate(document["shapes"], 1):
        points, kind = np.array(shape["points"], np.float64), shape.get("shape_type", "polygon")
        if kind == "circle":  # its centre, and a point of the rim
            (x, y), radius = points[0], float(np.hypot(*(points[1] - points[0])))
            box = (x - radius, y - radius, x + radius, y + radius)
        elif kind in ("rectangle", "polygon"):
            box = (*points.min(axis=0), *points.max(axis=0))
        else:
            raise _unknown(kind, path)
        yield f"{name}-{number}", name, str(shape.get("label", "")), *box


def _via(images: list[dict[str, Any]], path: Path) -> Iterator[tuple[Any, ...]]:
    for image in images:
        regions = image["regions"]
        regions = regions.values() if isinstance(regions, dict) else regions
        for number, region in enumerate(regions, 1):
            name, attributes = _file_name(image["filename"]), region.get("region_attributes", {})
            box = _via_box(region["shape_attributes"], path)
            yield f"{name}-{number}", name, _via_label(attributes), *box


def _via_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            shape = json.loads(row["region_shape_attributes"] or "{}")
            if shape:
                label = _via_label(json.loads(row["region_attributes"] or "{}"))
                yield str(number), _file_name(row["filename"]), label, *_via_box(shape, path)


def _via_label(attributes: Any) -> str:
    """The one attribute of a region; empty where there are none or several."""
    values = list(attributes.values()) if isinstance(attributes, dict) else []
    return str(values[0]) if len(values) == 1 else ""


def _via_box(shape: Mapping[str, Any], path: Path) -> tuple[float, ...]:
    kind = shape["name"]
    if kind == "rect":
        left, top = float(shape["x"]), float(shape["y"])
        return left, top, left + float(shape["width"]), top + float(shape["height"])
    if kind in ("circle", "ellipse"):
        x, y = float(shape["cx"]), float(shape["cy"])
        across, along = (float(shape.get(key, shape.get("r"))) for key in ("rx", "ry"))
        if kind == "ellipse" and float(shape.get("theta", 0.0)):
            across = along = (across + along) / 2.0
        return x - across, y - along, x + across, y + along
    if kind == "polygon":
        xs, ys = shape["all_points_x"], shape["all_points_y"]
        return min(xs), min(ys), max(xs), max(ys)
    raise _unknown(kind, path)


def _unknown(kind: object, path: Path) -> CatalogueError:
    return CatalogueError(
        f"{path} marks a shape of the kind {kind!r}, which has no diameter. Mark craters by boxes, "
        "circles or polygons."
    )


def _file_name(name: str) -> str:
    """The name alone: images are matched by it, wherever they lie."""
    return PureWindowsPath(name).name


def _craters_only(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Rows labelled as craters, if there are several labels."""
    labels = table["label"].str.lower()
    if labels.nunique() < 2:
        return table
    craters = labels.str.contains("crater")
    if not craters.any():
        raise CatalogueError(
            f"{path} marks several kinds ({', '.join(sorted(set(table['label']))[:6])}), none of "
            "which is called crater. Keep the one that is meant, or call it crater."
        )
    return table[craters].reset_index(drop=True)
