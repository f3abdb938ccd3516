"""The page fetches a release tile by tile, and executes no script that its texts contain."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import Window, needs_chromium
from live_server import Live, live_server

from lunar_models.catalogue.tiles import write_tiles

pytestmark = needs_chromium
COUNT = 20_000
HOSTILE = "<img src=x onerror=window.harmed=1>"
PUBLISHED = ("craters.parquet", "embeddings.parquet", "tiles.arrow")
TINY = {"longitude_deg": 12.5, "latitude_deg": -3.25, "diameter_km": 0.5}


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A release of many craters; the least of them lies in the middle of the map's zoom."""
    folder = tmp_path_factory.mktemp("page_release")
    generator = np.random.default_rng(0)
    longitude = generator.uniform(-180, 180, COUNT)
    latitude = np.degrees(np.arcsin(generator.uniform(-1, 1, COUNT)))
    diameter = 1.0 + generator.pareto(1.5, COUNT).clip(0, 300)
    longitude[0], latitude[0], diameter[0] = TINY.values()
    names = ["tiny", *(f"{HOSTILE}{n}" for n in range(1, COUNT))]
    table = pa.table({
        "crater_id": names, "longitude_deg": longitude, "latitude_deg": latitude,
        "diameter_km": diameter, "cluster_id": pa.array(np.arange(COUNT) % 3, pa.int32()),
    })  # fmt: skip
    write_tiles(folder / "tiles.arrow", table)
    extra = {name: np.full(COUNT, 0.5) for name in
             ("cluster_distance", "cluster_confidence", "novelty")}  # fmt: skip
    for name, values in extra.items():
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, folder / "craters.parquet")
    pq.write_table(table.select(["crater_id"]), folder / "embeddings.parquet")
    said = {
        "schema_version": 1, "titles": [{"title": HOSTILE}], "citation": HOSTILE,
        "model": {"digest": "another"}, "counts": {"craters": COUNT},
        "files": {file.name: {"sha256": "", "bytes": file.stat().st_size}
                  for file in (folder / n for n in PUBLISHED)},
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(said))
    with live_server(folder, bundle_folder, release=str(folder)) as live:
        yield live


def test_a_release_is_browsed_down_to_its_smallest_crater(browser, server: Live) -> None:
    shown = "text => document.querySelector('#place').textContent.includes(text)"
    window = Window(browser, server.url)
    page = window.page

    def tiles() -> int:
        return sum("/v1/tiles/" in url for url in window.requests)

    page.wait_for_selector("#map-box:not([hidden])")
    assert "20,000 craters" in page.inner_text("#legend")
    page.fill("#crater-id", "tiny")
    page.click("#find button")
    page.wait_for_function(shown, arg="tiny")
    assert "0.5" in page.inner_text("#place")
    page.fill("#crater-id", f"{HOSTILE}7")
    page.click("#find button")
    page.wait_for_function(shown, arg="<img")
    page.focus("#map")
    first = tiles()
    for _ in range(8):
        page.keyboard.press("+")
        page.wait_for_timeout(150)
    page.wait_for_load_state("networkidle")
    assert 2 <= first < tiles() < 80  # of 200 and more
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")
    assert HOSTILE in page.inner_text("#map-note")
    assert page.evaluate("window.harmed") is None
    assert window.faults == []
    assert window.complaints == []
    window.context.close()
