import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from families import gradient_norm
from helpers import make_crop_set_folder
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.encoders.base import Encoder
from lunar_models.errors import ConfigError, CropSetError
from lunar_models.training import train
from lunar_models.training.trainer import Trainer

METRICS = ("train/loss", "validation/loss", "train/learning_rate", "train/crops_per_second")
CONFIG = TrainConfig(
    crops="", latent_dim=4, epochs=3, batch_size=16, device="cpu", threads=1, warmup_epochs=0.0
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
    result = train(crop_set, CONFIG.replace(encoder=encoder))
    assert len(result.history) == 1
    assert set(METRICS) <= set(result.history[0])


def test_a_fitted_encoder_without_a_finite_loss_is_refused(
    crop_set: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "mean_loss", lambda trainer, indices: float("nan"))
    with pytest.raises(ConfigError, match="encoder=pca has a loss of nan in training"):
        train(crop_set, CONFIG.replace(encoder="pca"))


def test_a_frozen_encoder_is_taken_as_it_is(crop_set: CropSet) -> None:
    config = CONFIG.replace(encoder="vit_mae", patch_size_px=16, trainable="none")
    assert len(train(crop_set, config).history) == 1


@pytest.mark.parametrize("encoder", ["vicreg", "swav", "physics", "vit_mae"])
def test_every_family_walks_the_same_road(crop_set: CropSet, encoder: str) -> None:
    config = CONFIG.replace(encoder=encoder, epochs=1, patch_size_px=16)
    assert set(METRICS) <= set(train(crop_set, config).history[0])


@pytest.mark.parametrize("family", ["vicreg", "swav", "backbone", "physics"])
def test_views_are_shifted_by_the_context_of_the_crop_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """Crops three diameters wide, where a shift by the same part of a crater is half as large."""
    crop_set = make_crop_set_folder(tmp_path / "wide")
    file = tmp_path / "wide" / "crop_set.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"context_diameters": 3.0}))
    ViTModel(
        ViTConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            image_size=32,
            patch_size=16,
        )
    ).save_pretrained(tmp_path / "vit")
    (tmp_path / "vit" / "preprocessor_config.json").write_text('{"size": 32}')
    module = sys.modules[f"lunar_models.encoders.families.{family}"]
    drawn, seen = module.lunar_view, set()

    def view(crops: Tensor, *given: Any, context_diameters: float, **options: Any) -> Tensor:
        seen.add(context_diameters)
        views: Tensor = drawn(crops, *given, context_diameters=context_diameters, **options)
        return views

    monkeypatch.setattr(module, "lunar_view", view)
    config = CONFIG.replace(encoder=family, epochs=1)
    if family == "backbone":
        config = config.replace(pretrained=str(tmp_path / "vit"))
    train(CropSet.open(crop_set.path), config)
    assert seen == {3.0}


def test_learns(crop_set: CropSet) -> None:
    result = train(crop_set, CONFIG.replace(epochs=40, early_stopping=0, learning_rate=3e-3))
    first, last = result.history[0], result.history[-1]
    assert last["train/loss"] < 0.5 * first["train/loss"]
    assert last["validation/loss"] < 0.5 * first["validation/loss"]


def test_equal_seeds_give_equal_weights(crop_set: CropSet) -> None:
    once, again, other = (
        _weights(train(crop_set, CONFIG.replace(seed=seed)).checkpoint.encoder)
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(once, other, strict=True))


def test_the_best_epoch_is_kept(crop_set: CropSet) -> None:
    weights: list[list[Tensor]] = []
    config = CONFIG.replace(epochs=6, learning_rate=0.05, early_stopping=0, gradient_clip=0.0)
    result = train(
        crop_set, config, on_epoch=lambda e, m, encoder: weights.append(_weights(encoder))
    )
    losses = [metrics["validation/loss"] for metrics in result.history]
    assert result.best_epoch == losses.index(min(losses))
    kept = _weights(result.checkpoint.encoder)
    assert all(torch.equal(a, b) for a, b in zip(kept, weights[result.best_epoch], strict=True))


def test_early_stopping(crop_set: CropSet, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 1.0, 2.0, 1.5, 0.5])
    monkeypatch.setattr(Trainer, "mean_loss", lambda *_: next(losses))
    result = train(crop_set, CONFIG.replace(epochs=5, early_stopping=2))
    assert [metrics["validation/loss"] for metrics in result.history] == [3.0, 1.0, 2.0, 1.5]
    assert result.best_epoch == 1


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_gradients_are_clipped(crop_set: CropSet, clip: float) -> None:
    result = train(crop_set, CONFIG.replace(epochs=1, gradient_clip=clip))
    norm = gradient_norm(result.checkpoint.encoder)  # of the last step
    assert norm == pytest.approx(clip, rel=1e-3) if clip else norm > 1e-2


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float)])
def test_networks_compute_in_the_precision_asked_for(
    crop_set: CropSet, precision: str, dtype: torch.dtype
) -> None:
    seen: set[torch.dtype] = set()

    def watch(epoch: int, metrics: dict[str, float], encoder: Encoder) -> None:
        for module in encoder.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.register_forward_hook(lambda _, __, output: seen.add(output.dtype))

    result = train(crop_set, CONFIG.replace(epochs=2, precision=precision), on_epoch=watch)
    assert seen == {dtype}
    assert {p.dtype for p in result.checkpoint.encoder.parameters()} == {torch.float32}


def test_warm_up_and_cosine_reach_the_metrics(crop_set: CropSet) -> None:
    config = CONFIG.replace(
        epochs=4, warmup_epochs=1.0, learning_rate=1e-3, learning_rate_floor=1e-5
    )
    rates = [m["train/learning_rate"] for m in train(crop_set, config).history]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert 1e-5 <= rates[-1] < 4e-4


def test_a_batch_larger_than_the_split(crop_set: CropSet) -> None:
    assert len(train(crop_set, CONFIG.replace(batch_size=4096)).history) == 3


def test_not_a_number_stops_with_the_remedy(crop_set: CropSet) -> None:
    config = CONFIG.replace(learning_rate=10.0, gradient_clip=0.0, epochs=30, early_stopping=0)

    def poison(epoch: int, metrics: dict[str, float], encoder: Encoder) -> None:
        next(encoder.parameters()).data.fill_(float("nan"))

    with pytest.raises(ConfigError, match="smaller learning_rate"):
        train(crop_set, config, on_epoch=poison)


def test_an_empty_split(tmp_path: Path) -> None:
    crop_set = make_crop_set_folder(tmp_path / "few", n=3)
    with pytest.raises(CropSetError, match="validation split"):
        train(crop_set, CONFIG)


def test_progress_counts_the_crops(crop_set: CropSet) -> None:
    counts: list[int] = []
    train(crop_set, CONFIG, on_crops=counts.append)
    assert counts == [16, 16] * 3  # 42 crops, 2 full batches, 3 epochs
