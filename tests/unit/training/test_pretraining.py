from pathlib import Path

import pytest
import torch

from lunar_models.config.pretrain import PretrainConfig
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.training import pretraining
from lunar_models.training.pretraining import STATE_FILE, Pretraining, pretrain
from lunar_models.training.replay import Replay


@pytest.fixture
def config(tmp_path: Path) -> PretrainConfig:
    return PretrainConfig(
        crop_size_px=24,
        latent_dim=8,
        steps=6,
        batch_size=16,
        replay=512,
        calibration=256,
        device="cpu",
        threads=1,
        output=str(tmp_path),
    )


def test_trains_calibrates_and_measures(config: PretrainConfig, tmp_path: Path) -> None:
    done: list[int] = []
    (result,) = pretrain(config, on_step=lambda step, _: done.append(step))
    assert done == [6]
    assert result.examples.shape == (16, 24, 24)
    # Calibrated on other simulated craters than it is judged on, however little it has learned.
    assert result.metrics["physics/depth_over_diameter_coverage_68"] == pytest.approx(0.68, abs=0.1)
    assert result.metrics["physics/k_over_r2_coverage_95"] == pytest.approx(0.95, abs=0.06)
    result.checkpoint.save(tmp_path / "encoder")
    loaded = Checkpoint.load(tmp_path / "encoder").encoder
    assert torch.equal(loaded.residuals, result.checkpoint.encoder.residuals)


def test_equal_seeds_equal_weights(config: PretrainConfig, tmp_path: Path) -> None:
    other = config.replace(output=str(tmp_path / "other"))
    first, second = (pretrain(c)[0].checkpoint.encoder.state_dict() for c in (config, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_networks_side_by_side(config: PretrainConfig, tmp_path: Path) -> None:
    """The first of several is what it would be alone; the others are networks of their own."""
    several = config.replace(
        networks=("small", "small", "large", "student"), output=str(tmp_path / "several")
    )
    told: list[dict[str, float]] = []
    results = pretrain(several, on_step=lambda _, losses: told.append(losses))
    (alone,) = pretrain(config)
    weights = [result.checkpoint.encoder.state_dict() for result in results]
    expected = alone.checkpoint.encoder.state_dict()
    assert all(torch.equal(weights[0][name], expected[name]) for name in expected)
    assert not torch.equal(weights[1]["head.0.weight"], weights[0]["head.0.weight"])
    assert [result.network for result in results] == ["small", "small", "large", "student"]
    sizes = [result.checkpoint.encoder.model_size for result in results]
    assert sizes == ["small", "small", "large", "small"]
    assert "3-student/imitation" in told[-1]
    assert "2-large/imitation" not in told[-1]
    results[2].checkpoint.save(tmp_path / "large")
    loaded = Checkpoint.load(tmp_path / "large").encoder
    assert loaded.arguments["model_size"] == "large"


def test_a_student_imitates_its_teacher(config: PretrainConfig) -> None:
    config = config.replace(networks=("large", "student"), batch_size=64, learning_rate=0.01)
    run = Pretraining(config.replace(steps=100, uses=100.0))
    first = run.advance(3)["1-student/imitation"]
    run.advance(30)
    assert run.advance(3)["1-student/imitation"] < 0.7 * first


@pytest.mark.parametrize("networks", [("student",), ("small", "student", "large"), ()])
def test_a_student_needs_a_teacher(config: PretrainConfig, networks: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="networks"):
        config.replace(networks=networks)


def test_resumes_after_the_last_saved_step(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "SAVE_EVERY", 2)

    def killed(step: int, losses: dict[str, float]) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(config, on_step=killed)
    done: list[int] = []
    pretrain(config, on_step=lambda step, _: done.append(step))
    assert done == [6]


def test_another_training_in_the_folder(config: PretrainConfig) -> None:
    pretrain(config)
    with pytest.raises(ConfigError, match="other parameters"):
        pretrain(config.replace(seed=1))


def test_damaged_state(config: PretrainConfig) -> None:
    Path(config.output, STATE_FILE).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        pretrain(config)


def test_each_crater_is_used_as_often_as_asked() -> None:
    generator = torch.Generator().manual_seed(0)
    replay = Replay(512, uses=2.0, crop_size_px=16, context_diameters=1.5, generator=generator)
    replay.draw(64)
    assert replay.filled == 256
    for _ in range(12):
        first, second, scale, truth = replay.draw(64)
    assert replay.filled == pytest.approx(13 * 64 / 2, abs=128)
    assert first.shape == second.shape == (64, 1, 16, 16)
    assert scale.shape == truth.shape[:2] == (64, 2)


@pytest.mark.slow
def test_learns_depth_and_knows_when_it_cannot(config: PretrainConfig) -> None:
    """Blurred, dark and empty crops get wider intervals than clear ones."""
    config = config.replace(
        steps=400, batch_size=128, latent_dim=32, replay=4096, uses=8.0, calibration=2048
    )
    (result,) = pretrain(config)
    assert result.metrics["physics/depth_over_diameter_spearman"] > 0.7
    assert result.metrics["physics/k_over_r2_spearman"] > 0.6
