"""The file of the interactive page: what is in it, and what is not."""

import base64
import json
import re

import numpy as np
import pytest
from page_craters import craters

from lunar_models.errors import CatalogueError
from lunar_models.page import write_page


def test_the_file_refers_to_nothing_outside(small) -> None:
    text = small[0].read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", text)
    assert not re.findall(r"https?://|localStorage|fetch\(|import\(", text)
    assert "{{" not in text
    assert "<title>Craters &amp; &lt;Moon&gt;</title>" in text
    assert "</script><script>alert" not in text
    assert "<!--" not in text


def test_the_data_survives(small) -> None:
    path, table = small
    text = re.search(r'type="application/json">(.*?)</script>', path.read_text(), re.S)[1]
    data = json.loads(text)
    columns = {c["name"]: c for c in data["columns"]}
    stored = np.frombuffer(base64.b64decode(columns["longitude_deg"]["base64"]), "<f4")
    np.testing.assert_array_equal(stored, table["longitude_deg"].to_numpy(np.float32))
    assert columns["diameter_km"]["unit"] == "km"
    assert columns["note"]["texts"][0].startswith("</script>")
    assert [item["id"] for item in data["groupings"][0]["items"]] == [0, 1, 2, -1]


def test_rows_must_match(tmp_path) -> None:
    table, views, crops = craters(10)
    with pytest.raises(CatalogueError, match=r"\[9, 10\] craters"):
        write_page(tmp_path / "page.html", table, views, crops[:9])


def test_mirrored_crops_are_noted(small) -> None:
    assert "Crops with the Sun in the west are mirrored left-right" in small[0].read_text()
