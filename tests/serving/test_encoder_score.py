"""The encoder's own degradation score, where it has one, beside the head's."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from crop_images import encoded, item
from live_server import Live, live_server
from service_parts import Parts

from serving.cli.classify import classify
from serving.model.bundle import Bundle
from serving.model.classify import classify as answer
from serving.model.reference_set import SCORE_COLUMNS
from serving.model.schema import ModelAnswer, Options

CHOSEN = 5


@pytest.fixture(scope="module")
def server(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("app"), taught) as live:
        yield live


def test_the_score_is_the_encoders(taught: Path, parts: Parts) -> None:
    bundle = Bundle.load(taught)
    crops = np.array(parts.crop_set.crops[:3])
    normalised = bundle.checkpoint.normalisation(torch.from_numpy(crops))
    score, uncertainty = bundle.checkpoint.encoder.degradation(normalised)
    items = [{"image": "broken"}, *(item(crop, sun_side="east") for crop in crops)]
    broken, *found = answer(bundle, items, model=ModelAnswer(), options=Options())
    assert broken.encoder_degradation is None
    owns = [a.encoder_degradation for a in found]
    np.testing.assert_allclose([own.score for own in owns], score, atol=1e-5)
    np.testing.assert_allclose([own.uncertainty for own in owns], uncertainty, atol=1e-5)
    assert [a.degradation for a in found] == [None] * 3  # that would be the head's


def test_encoders_without_a_score_say_null(bundle: Bundle, parts: Parts) -> None:
    one = item(np.array(parts.crop_set.crops[0]))
    (found,) = answer(bundle, [one], model=ModelAnswer(), options=Options())
    assert found.encoder_degradation is None
    assert found.degradation is not None


def test_embedding_alone_does_not_ask_for_it(
    server: Live, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = server.runtime.served().bundle.checkpoint.encoder
    monkeypatch.setattr(encoder, "degradation", lambda crops: pytest.fail("asked"))
    body = {"inputs": [item(np.array(parts.crop_set.crops[0]))]}
    assert server.post("/v1/embed", json=body).json()["predictions"][0]["embedding"]


def test_reference_craters_have_theirs(server: Live, parts: Parts) -> None:
    row = server.runtime.served().bundle.neighbours.craters.iloc[CHOSEN]
    crater = server.get(f"/v1/craters/{row['crater_id']}").json()
    expected = dict(zip(("score", "uncertainty"), row[list(SCORE_COLUMNS)], strict=True))
    assert crater["prediction"]["encoder_degradation"] == pytest.approx(expected)


def test_tables_have_it_as_columns(server: Live, parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(encoded(np.array(parts.crop_set.crops[0])))
    arguments = [str(tmp_path / "images"), str(tmp_path / "out.parquet"), "--url", server.url]
    result = CliRunner().invoke(classify, arguments)
    assert result.exit_code == 0, result.output
    (row,) = pd.read_parquet(tmp_path / "out.parquet").to_dict("records")
    assert 0 <= row["encoder_degradation"] <= 1
    assert row["encoder_degradation_uncertainty"] >= 0


def test_openapi_tells_what_it_means(server: Live) -> None:
    answer_schema = server.get("/openapi.json").json()["components"]["schemas"]["CropAnswer"]
    described = answer_schema["properties"]["encoder_degradation"]["description"]
    assert "learned without labels" in described
