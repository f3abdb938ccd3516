"""The head of a report: the freshest craters in a table that a reader can take in."""

from types import SimpleNamespace

import pandas as pd
import pytest

from lunar_models.page.report import Table, write_report
from steps.shared import answer


def test_degradation_is_told_in_plain_decimals(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    frame = pd.DataFrame(
        {
            "rank": [1, 2], "crater_id": ["a", "b"], "longitude_deg": [-123.45678, 9.0],
            "latitude_deg": [0.00001, -5.5], "diameter_km": [1.2345, 100.0],
            "degradation": [1.2e-5, 0.5], "degradation_low": [0.0, 0.41],
            "degradation_high": [3.4e-5, 0.59], "state": [1, 3], "state_name": ["New", "Old"],
        }
    )  # fmt: skip
    run = SimpleNamespace(data=SimpleNamespace(tags={}, metrics={}))
    monkeypatch.setattr(answer, "artifacts", lambda run, folder: {"tables/freshest.csv"})
    monkeypatch.setattr(answer, "_read", lambda run, path: frame)
    section = answer.answer_section({"cluster": run})  # type: ignore[dict-item]
    assert section is not None
    [table] = section.blocks
    assert isinstance(table, Table)
    assert {*table.decimals} <= {*table.frame.columns}
    write_report(tmp_path / "report.html", "", [section])
    text = (tmp_path / "report.html").read_text()
    shown = ["-123.457", "0.000", "1.23", "0.000", "0.000 to 0.000", "1", "New",
             "9.000", "-5.500", "100.00", "0.500", "0.410 to 0.590", "3", "Old"]  # fmt: skip
    position = text.index("<tbody>")
    for part in shown:
        position = text.index(f">{part}</td>", position)
    assert "e-0" not in text[text.index("<tbody>") :]
