"""`benchmarks.probes` ranks embeddings of known quality in the known order."""

import numpy as np
import pandas as pd
import pytest
from helpers import make_crop_set_folder

from benchmarks import probes
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.polar_harmonics import PolarHarmonicsEncoder


@pytest.fixture
def craters() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    depth = np.exp(rng.normal(-2.6, 0.5, 600))
    state = 4 - np.searchsorted(np.quantile(depth, (0.25, 0.5, 0.75)), depth)
    return pd.DataFrame({"depth": depth, "state": state, "block": rng.integers(0, 30, 600)})


def test_an_embedding_that_knows_the_depth(craters):
    depth = np.log(craters["depth"].to_numpy())
    row = probes.probe(np.column_stack([depth, depth**2]), craters, own=-depth)
    for figure in ("linear", "qwk", "spearman", "own", "lda150"):
        assert row[figure] > 0.9
    assert row["ari"] > 0.3
    low, high = map(float, row["qwk 95 %"].split("-"))
    assert low <= row["qwk"] <= high


def test_an_embedding_that_knows_nothing(craters):
    noise = np.random.default_rng(1).normal(size=(len(craters), 3))
    row = probes.probe(noise, craters, own=noise[:, 0])
    assert row["linear"] == pytest.approx(0.25, abs=0.06)
    for figure in ("qwk", "spearman", "own", "ari"):
        assert abs(row[figure]) < 0.12


def test_a_row_for_each_encoder(tmp_path, monkeypatch):
    crop_set = make_crop_set_folder(tmp_path / "crops", n=240)
    contrast = crop_set.crops.reshape(len(crop_set), -1).std(axis=1)
    ids = crop_set.metadata["crater_id"]
    pd.DataFrame({"CRATER_ID": ids, "d_over_D": contrast / 500}).to_csv(
        tmp_path / "depths.csv", index=False
    )
    encoder = PolarHarmonicsEncoder(crop_size_px=crop_set.info.crop_size_px)
    Checkpoint.for_crops(encoder, crop_set).save(tmp_path / "harmonics")
    np.save(tmp_path / "latents.npy", contrast[::-1, None])
    pd.DataFrame({"crater_id": ids[::-1]}).to_csv(tmp_path / "ids.csv", index=False)
    options = {
        "crops": crop_set.path, "depths": tmp_path / "depths.csv", "output": tmp_path / "out.csv",
        "encoder": tmp_path / "harmonics",
        "latents": f"known={tmp_path / 'latents.npy'},{tmp_path / 'ids.csv'}",
    }  # fmt: skip
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    monkeypatch.setattr("sys.argv", ["probes", *words])
    probes.main()
    table = pd.read_csv(tmp_path / "out.csv").set_index("encoder")
    assert list(table["dim"]) == [56, 1]
    assert table.loc["known", "spearman"] > 0.99
    assert table["craters"].nunique() == 1
