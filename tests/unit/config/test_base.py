"""Configs are strict: what is not understood is refused by name, with the remedy."""

import pickle
from typing import Literal, Self

import pytest
from pydantic import ValidationError, model_validator

from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.config.train import TrainConfig
from lunar_models.errors import ConfigError


class Sample(StepConfig):
    """One parameter of each kind."""

    source: str = param(help="A path.", role="input")
    count: int = param(3, help="A number.", unit="px", minimum=1, maximum=9)
    rate: float = param(1e-4, help="A rate.", minimum=0.0)
    shade: Literal["dark", "light"] = param("dark", help="A choice.")
    limit: int | None = param(None, help="An optional number.", minimum=1)
    names: tuple[str, ...] = param(("a", "b"), help="A list.")
    fast: bool = param(True, help="A switch.")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.limit is not None and self.limit < self.count:
            raise ConfigError(f"limit={self.limit} is under count={self.count}; raise limit.")
        return self


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 2.5}, "count=2.5 is not a whole number; give one from 1 to 9."),
        ({"count": 2.0}, "count=2.0 is not a whole number; give one from 1 to 9."),
        ({"count": True}, "count=True is not a whole number; give one from 1 to 9."),
        ({"count": "3"}, "count='3' is not a whole number; give one from 1 to 9."),
        ({"count": None}, "count=None is not a whole number; give one from 1 to 9."),
        ({"count": 0}, "count=0 px is too small; the least is 1 px."),
        ({"count": 10}, "count=10 px is too large; the most is 9 px."),
        ({"rate": "fast"}, "rate='fast' is not a number; the least is 0.0."),
        ({"rate": float("nan")}, "rate=nan is not a finite number; the least is 0.0."),
        ({"rate": float("inf")}, "rate=inf is not a finite number; the least is 0.0."),
        ({"limit": 0}, "limit=0 is too small; the least is 1."),
        ({"shade": "blue"}, "shade='blue' is not one of dark, light."),
        ({"fast": 1}, "fast=1 is neither True nor False."),
        ({"names": "a"}, "names='a' is not a tuple; write names=('a',)."),
        ({"names": ["a"]}, "names=['a'] is not a tuple; write names=tuple(…)."),
        ({"names": ("a", 1)}, "names=1 is not a string; write str(…)."),
        ({"cuont": 4}, "cuont is not a parameter of Sample; did you mean count?"),
        ({"limit": 2}, "limit=2 is under count=3; raise limit."),
    ],
)
def test_what_is_not_understood_is_refused(values, message):
    with pytest.raises(ConfigError) as refused:
        Sample(source="x", **values)
    assert str(refused.value) == message


def test_a_missing_parameter_is_named_with_its_meaning():
    with pytest.raises(ConfigError, match=r"^source is missing; give it \(A path\)\.$"):
        Sample()


def test_all_that_is_wrong_is_told_in_one_line():
    with pytest.raises(ConfigError) as refused:
        Sample(source="x", count=0, shade="blue")
    assert "count=0" in str(refused.value)
    assert "shade='blue'" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_defaults_are_held_to_their_own_limits():
    class Broken(StepConfig):
        size: int = param(0, help="A number.", minimum=1)

    with pytest.raises(ConfigError, match="size=0 is too small"):
        Broken()


def test_a_whole_number_serves_as_a_number():
    """So that 1 and 1.0 have one step key."""
    rate = Sample(source="x", rate=1).rate
    assert rate == 1.0
    assert isinstance(rate, float)


def test_a_config_cannot_change_but_has_changed_copies():
    config = Sample(source="x")
    with pytest.raises(ValidationError, match="frozen"):
        config.count = 4
    assert config.replace(count=4) == Sample(source="x", count=4)
    assert config.count == 3
    with pytest.raises(ConfigError, match=r"count=2.5 is not a whole number"):
        config.replace(count=2.5)


def test_workers_receive_configs_by_pickle():
    config = Sample(source="x", names=("c",))
    assert pickle.loads(pickle.dumps(config)) == config


def test_specs_tell_all_that_was_declared():
    by_name = {spec.name: spec for spec in specs(Sample)}
    assert list(by_name) == ["source", "count", "rate", "shade", "limit", "names", "fast"]
    count = by_name["count"]
    assert (count.type, count.default, count.help, count.unit) == (int, 3, "A number.", "px")
    assert (count.minimum, count.maximum, count.role) == (1, 9, "setting")
    assert by_name["source"].required
    assert by_name["source"].role == "input"
    assert not count.required
    assert by_name["shade"].choices == ("dark", "light")
    assert (by_name["limit"].type, by_name["limit"].optional) == (int, True)
    assert (by_name["names"].type, by_name["names"].repeated) == (str, True)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "4", 4),
        ("rate", "1e-3", 0.001),
        ("fast", "False", False),
        ("shade", "dark", "dark"),
    ],
)
def test_text_is_parsed_by_the_type_of_the_parameter(name, text, value):
    spec = next(spec for spec in specs(Sample) if spec.name == name)
    assert spec.parse(text) == value


def test_a_mosaic_given_as_text_is_not_read_letter_by_letter():
    with pytest.raises(ConfigError, match=r"write mosaic=\('wac.tif',\)"):
        PreprocessConfig(mosaic="wac.tif", catalogue="craters.csv")


def test_half_an_epoch_is_refused():
    with pytest.raises(ConfigError, match=r"epochs=2.5 is not a whole number"):
        TrainConfig(crops="", epochs=2.5)
