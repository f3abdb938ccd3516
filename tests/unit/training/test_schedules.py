import pytest

from lunar_models.config.train import Schedule, TrainConfig
from lunar_models.training.schedules import LearningRate


def _rate(schedule: Schedule, **changes: float) -> LearningRate:
    fields = {
        "peak": 1.0,
        "floor": 0.1,
        "warmup_steps": 4,
        "total_steps": 14,
        "patience": 1,
        "factor": 0.5,
    }
    return LearningRate(schedule=schedule, **{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", ["cosine", "plateau", "constant"])
def test_warm_up_is_linear_to_the_peak(schedule: Schedule) -> None:
    rate = _rate(schedule)
    assert [rate.at(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_cosine_is_half_way_in_the_middle_and_ends_at_the_floor() -> None:
    rate = _rate("cosine")
    assert rate.at(9) == pytest.approx(0.55)
    assert rate.at(14) == pytest.approx(0.1)
    falling = [rate.at(step) for step in range(4, 15)]
    assert falling == sorted(falling, reverse=True)


def test_constant_stays() -> None:
    assert {_rate("constant").at(step) for step in range(4, 100)} == {1.0}


def test_plateau_falls_after_patience_and_stops_at_the_floor() -> None:
    rate = _rate("plateau")
    for loss, expected in [(5, 1.0), (5, 1.0), (5, 0.5), (4, 0.5), (4, 0.5), (4, 0.25)]:
        rate.observe(loss)
        assert rate.at(10) == expected
    for _ in range(20):
        rate.observe(4)
    assert rate.at(10) == 0.1


def test_no_warm_up() -> None:
    assert _rate("cosine", warmup_steps=0).at(0) == 1.0


def test_a_short_training_warms_up_for_a_quarter_of_it() -> None:
    config = TrainConfig(crops="", epochs=4, learning_rate=1.0, warmup_epochs=3.0)
    rate = LearningRate.from_config(config, steps_per_epoch=10)
    assert rate.at(8) < rate.at(9) == 1.0
    longer = TrainConfig(crops="", epochs=40, learning_rate=1.0, warmup_epochs=3.0)
    rate = LearningRate.from_config(longer, steps_per_epoch=10)
    assert rate.at(28) < rate.at(29) == 1.0
