from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import make_crop_set_folder
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.crops import CropSet
from lunar_models.encoders import Encoder
from lunar_models.errors import ConfigError, CropSetError
from lunar_models.training import train

METRICS = ("train/loss", "validation/loss", "train/learning_rate", "train/crops_per_second")
CONFIG = TrainConfig(
    crops="", latent_dim=4, epochs=3, batch_size=16, device="cpu", warmup_epochs=0.0
)


def _weights(encoder: Encoder) -> list[Tensor]:
    return [value.clone() for value in encoder.state_dict().values()]


def test_reports_every_epoch_with_the_same_keys(crop_set: CropSet) -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    result = train(crop_set, CONFIG, on_epoch=lambda e, m, encoder: seen.append((e, m)))
    assert [epoch for epoch, _ in seen] == [0, 1, 2]
    assert [metrics for _, metrics in seen] == result.history
    assert all(set(METRICS) <= set(metrics) for metrics in result.history)


@pytest.mark.parametrize("encoder", ["pca", "polar_harmonics"])
def test_fitted_encoders_report_the_same_keys(crop_set: CropSet, encoder: str) -> None:
    result = train(crop_set, replace(CONFIG, encoder=encoder))
    assert len(result.history) == 1
    assert set(METRICS) <= set(result.history[0])


def test_learns(crop_set: CropSet) -> None:
    result = train(crop_set, replace(CONFIG, epochs=40, early_stopping=0, learning_rate=3e-3))
    first, last = result.history[0], result.history[-1]
    assert last["train/loss"] < 0.5 * first["train/loss"]
    assert last["validation/loss"] < 0.5 * first["validation/loss"]


def test_equal_seeds_give_equal_weights(crop_set: CropSet) -> None:
    once, again, other = (
        _weights(train(crop_set, replace(CONFIG, seed=seed)).checkpoint.encoder)
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(once, other, strict=True))


def test_the_best_epoch_is_kept(crop_set: CropSet) -> None:
    weights: list[list[Tensor]] = []
    config = replace(CONFIG, epochs=6, learning_rate=0.05, early_stopping=0, gradient_clip=0.0)
    result = train(
        crop_set, config, on_epoch=lambda e, m, encoder: weights.append(_weights(encoder))
    )
    losses = [metrics["validation/loss"] for metrics in result.history]
    assert result.best_epoch == losses.index(min(losses))
    kept = _weights(result.checkpoint.encoder)
    assert all(torch.equal(a, b) for a, b in zip(kept, weights[result.best_epoch], strict=True))


def test_early_stopping(crop_set: CropSet) -> None:
    config = replace(
        CONFIG,
        epochs=50,
        early_stopping=2,
        learning_rate=1e-7,
        learning_rate_floor=1e-8,
        schedule="constant",
        weight_decay=0.0,
    )
    history = train(crop_set, config).history
    losses = [metrics["validation/loss"] for metrics in history]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 or len(losses) == 50


def test_warm_up_and_cosine_reach_the_metrics(crop_set: CropSet) -> None:
    config = replace(CONFIG, epochs=4, warmup_epochs=1.0, learning_rate_floor=1e-5)
    rates = [m["train/learning_rate"] for m in train(crop_set, config).history]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert 1e-5 <= rates[-1] < 4e-4


def test_a_batch_larger_than_the_split(crop_set: CropSet) -> None:
    assert len(train(crop_set, replace(CONFIG, batch_size=4096)).history) == 3


def test_not_a_number_stops_with_the_remedy(crop_set: CropSet) -> None:
    config = replace(CONFIG, learning_rate=10.0, gradient_clip=0.0, epochs=30, early_stopping=0)

    def poison(epoch: int, metrics: dict[str, float], encoder: Encoder) -> None:
        next(encoder.parameters()).data.fill_(float("nan"))

    with pytest.raises(ConfigError, match="smaller learning_rate"):
        train(crop_set, config, on_epoch=poison)


def test_an_empty_split(tmp_path: Path) -> None:
    crop_set = make_crop_set_folder(tmp_path / "few", n=3)
    with pytest.raises(CropSetError, match="validation split"):
        train(crop_set, CONFIG)
