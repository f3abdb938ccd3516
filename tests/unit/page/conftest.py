"""One small page for all its tests."""

import numpy as np
import pytest
from page_craters import craters

from lunar_models.page import write_page
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.thumbnails import Bounds


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    table, views, crops = craters(300)
    background = Background(np.full((60, 90), 120, np.uint8), Bounds(-90, 0, 0, 60))
    # every crater looks like the two after it
    similar = (np.arange(300)[:, None] + [1, 2]) % 300
    write_page(
        path, table, views, crops, background,
        similar=similar, alignment="side", title="Craters & <Moon>",
    )  # fmt: skip
    return path, table
