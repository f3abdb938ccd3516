"""Write the interactive page as one self-contained HTML file."""

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering.projection_2d import View2D
from lunar_models.colours import UNKNOWN, cluster_colours, degradation_colour
from lunar_models.crops.display import STRETCH_NOTE
from lunar_models.errors import CatalogueError
from lunar_models.export.tables import named_states
from lunar_models.page.atlas import build_atlas
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.groups import Groups, cluster_groups, state_groups

_SCRIPTS = ("data.js", "geometry.js", "plot.js", "controls.js", "filters.js", "main.js")
_VIEW_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
_UNITS = {"_deg": "°", "_km": "km", "_px": "px", "_m": "m"}
_BACKGROUND_PX = 2400
_RAMP_STEPS = 64
_ALIGNED = {
    "none": "North is up.",
    "side": "Crops with the Sun in the west are mirrored left-right: it shines from the right.",
    "azimuth": "Crops are turned, and some mirrored, so that the Sun shines from the right.",
}


def write_page(
    path: Path,
    table: pd.DataFrame,
    views: Sequence[View2D],
    crops: npt.NDArray[np.uint8],
    background: Background | None = None,
    *,
    similar: IntArray | None = None,
    alignment: str = "none",
    title: str = "Crater clusters",
) -> None:
    """Write one HTML file with the map, the embedding, every crop and record.

    It needs no network and no storage, so it works from disk and in MLflow's artifact view.

    Args:
        path: the file to write.
        table: N rows with crater_id, longitude_deg, latitude_deg, diameter_km, cluster_id and
            any further columns; ``state`` (1-4, 0 unknown) becomes a filter too.
        views: at least one; N points each, NaN for craters that a view leaves out.
        crops: (N, S, S) uint8.
        background: mosaic overview behind the map.
        similar: (N, k) rows of the craters that look most like each, nearest first.
        alignment: how the crops were turned, as in `CropSetInfo.alignment`; noted on the page.
        title: shown on top.

    Raises:
        CatalogueError: the numbers of craters differ.
    """
    counts = {len(table), len(crops), *(len(view.points) for view in views)}
    if len(counts) > 1:
        raise CatalogueError(
            f"Table, crops and views describe {sorted(counts)} craters; "
            "give the same craters in the same order."
        )
    data = {
        "ids": table["crater_id"].astype(str).tolist(),
        "columns": [_column(table[name]) for name in table.columns if name != "crater_id"],
        "groupings": _groupings(table),
        "views": [_view(view) for view in views],
        "atlas": build_atlas(crops),
        "background": _background(background),
        "similar": None if similar is None else _similar(similar),
        "colours": _colours(),
    }
    # "</script>" would end the script element early, "<!--<script>" would keep it open
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "TITLE": html.escape(title),
        "STRETCH": html.escape(STRETCH_NOTE),
        "ALIGNED": _ALIGNED[alignment],
        "STYLE": _asset("page.css"),
        "SCRIPT": "\n".join(_asset(name) for name in _SCRIPTS),
        "DATA": text,
    }
    # In one pass, so that no part is taken for the place of another.
    page = re.sub(r"\{\{([A-Z]+)\}\}", lambda place: parts[place[1]], _asset("page.html"))
    path.write_text(page, encoding="utf-8")


def _asset(name: str) -> str:
    return (resources.files("lunar_models.page") / name).read_text(encoding="utf-8")


def _column(values: "pd.Series[Any]") -> dict[str, Any]:
    """Encode numbers as base64 float32, other values as text."""
    name = str(values.name)
    suffix = next((s for s in _UNITS if name.endswith(s)), "")
    described = {
        "name": name,
        "label": name.removesuffix(suffix).replace("_", " "),
        "unit": _UNITS.get(suffix, ""),
    }
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return described | {"base64": _base64(values.to_numpy(np.float32, na_value=np.nan))}
    return described | {"texts": ["" if pd.isna(v) else str(v) for v in values]}


def _base64(values: FloatArray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")


def _groupings(table: pd.DataFrame) -> list[dict[str, Any]]:
    found = [("cluster_id", "Cluster", cluster_groups(table["cluster_id"].to_numpy()))]
    if "state" in table:
        states = table["state"].fillna(0).to_numpy(np.int64)
        found.append(("state", "State", state_groups(states, named_states(table))))
    return [{"key": key, "name": name, "items": _items(groups)} for key, name, groups in found]


def _items(groups: Groups) -> list[dict[str, Any]]:
    return [
        {"id": group, "name": style.name, "colour": style.colour}
        for group, style in groups.styles.items()
    ]


def _colours() -> dict[str, Any]:
    """Scales of degradation and of other numbers, and the colours of further groups."""
    steps = np.linspace(0, 1, _RAMP_STEPS)
    return {
        "degradation": [degradation_colour(step) for step in steps],
        "number": [to_hex(c) for c in colormaps["GnBu_r"](0.1 + 0.85 * steps)],
        "groups": cluster_colours(24),
        "unknown": UNKNOWN,
    }


def _similar(rows: IntArray) -> dict[str, Any]:
    """Encode rows as base64 uint32."""
    stored = np.ascontiguousarray(rows, "<u4")
    return {"each": rows.shape[1], "base64": base64.b64encode(stored.tobytes()).decode("ascii")}


def _view(view: View2D) -> dict[str, str]:
    x, y = view.points.T
    return {"name": _VIEW_NAMES[view.kind], "x": _base64(x), "y": _base64(y)}


def _background(background: Background | None) -> dict[str, Any] | None:
    if background is None:
        return None
    image = Image.fromarray(background.image)
    image.thumbnail((_BACKGROUND_PX, _BACKGROUND_PX))
    file = io.BytesIO()
    image.convert("RGB").save(file, "WEBP", quality=75)
    source = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return {"source": source, "bounds": background.bounds.extent}
