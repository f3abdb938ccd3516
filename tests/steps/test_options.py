"""A config becomes click options, and nothing is lost on the way."""

from typing import Literal

import pytest
from click.testing import CliRunner, Result

from lunar_models.config.base import StepConfig, param, specs
from lunar_models.errors import CatalogueError, ConfigError
from serving.cli.options import config_command, to_text


class Sample(StepConfig):
    """One parameter of each kind."""

    source: str = param(help="A path.", role="input")
    count: int = param(3, help="A number.", minimum=1, maximum=9)
    rate: float = param(1e-4, help="A rate.", minimum=0.0)
    shade: Literal["dark", "light"] = param("dark", help="A choice.")
    limit: int | None = param(None, help="An optional number.", minimum=1)
    names: tuple[str, ...] = param(("a", "b"), help="A list.")
    fast: bool = param(True, help="A switch.")


def run(*arguments: str) -> tuple[Sample | None, Result]:
    seen: list[Sample] = []

    @config_command(Sample)
    def command(config: Sample) -> None:
        seen.append(config)

    result = CliRunner().invoke(command, arguments)
    return (seen[0] if seen else None), result


def test_defaults_arrive_unchanged():
    config, _ = run("--source", "x")
    assert config == Sample(source="x")


def test_every_parameter_survives_the_round_trip_through_text():
    wanted = Sample(
        source="a b.csv", count=9, rate=2.5, shade="light", limit=7, names=("x", "y z"), fast=False
    )
    arguments = []
    for spec in specs(Sample):
        arguments += [f"--{spec.name}", to_text(spec, getattr(wanted, spec.name))]
    config, result = run(*arguments)
    assert result.exit_code == 0
    assert config == wanted


def test_hyphens_are_read_as_underscores():
    class Wide(StepConfig):
        crop_size_px: int = param(64, help="A size.")

    seen = []
    command = config_command(Wide)(seen.append)
    for option in ("--crop_size_px", "--crop-size-px"):
        assert CliRunner().invoke(command, [option, "32"]).exit_code == 0
    assert seen == [Wide(crop_size_px=32)] * 2


def test_none_switches_an_optional_parameter_off():
    assert run("--source", "x", "--limit", "none")[0].limit is None
    assert run("--source", "x", "--limit", "4")[0].limit == 4


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--source"),
        (("--source", "x", "--count", "0"), "--count"),
        (("--source", "x", "--count", "2.5"), "--count"),
        (("--source", "x", "--count", "abc"), "count='abc' is not a whole number"),
        (("--source", "x", "--count", "10"), "count=10 is too large; the most is 9."),
        (("--source", "x", "--rate", "inf"), "rate=inf is not a finite number"),
        (("--source", "x", "--fast", "perhaps"), "fast='perhaps' is neither True nor False."),
        (("--source", "x", "--shade", "blue"), "--shade"),
        (("--source", "x", "--limit", "0"), "--limit"),
        (("--source", "x", "--typo", "1"), "--typo"),
    ],
)
def test_bad_values_end_with_code_2_and_name_the_option(arguments, named):
    _, result = run(*arguments)
    assert result.exit_code == 2
    assert named in result.output


@pytest.mark.parametrize(
    ("texts", "names"),
    [(["c,d e"], ("c", "d e")), (["c", "d e"], ("c", "d e")), (["none"], ()), ([""], ())],
)
def test_lists_are_given_with_commas_or_item_by_item(texts, names):
    options = [part for text in texts for part in ("--names", text)]
    assert run("--source", "x", *options)[0].names == names


def test_help_tells_unit_limits_and_default():
    text = " ".join(run("--help")[1].output.split())
    assert "--count INTEGER A number. [at least 1, at most 9] [default: 3]" in text
    assert "--names TEXT,… A list. [default: a,b]" in text
    assert "--shade [dark|light]" in text
    assert "A path. [required]" in text


def test_a_library_error_ends_with_code_2_and_its_message():
    @config_command(Sample)
    def command(config: Sample) -> None:
        raise CatalogueError("catalogue 'x.csv' is empty; give one with craters.")

    result = CliRunner().invoke(command, ["--source", "x"])
    assert result.exit_code == 2
    assert "catalogue 'x.csv' is empty" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count=0 is too small; the least is 1"),
        ({"count": 10}, "count=10 is too large; the most is 9"),
        ({"rate": float("nan")}, "rate=nan is not a finite number"),
        ({"count": "many"}, "count='many' is not a whole number"),
        ({"shade": "blue"}, "shade='blue' is not one of dark, light"),
    ],
)
def test_library_users_get_the_same_limits(values, message):
    with pytest.raises(ConfigError, match=message):
        Sample(source="x", **values)


def test_every_field_is_a_parameter():
    assert [spec.name for spec in specs(Sample)] == list(Sample.model_fields)


def test_a_path_with_commas_stays_one_path(tmp_path):
    class Sources(StepConfig):
        mosaic: tuple[str, ...] = param(help="Paths.", role="input")

    seen = []
    command = config_command(Sources)(seen.append)
    odd = tmp_path / "moon, north,west.tif"
    odd.write_text("")
    arguments = ["--mosaic", f"a.tif, {odd} ,b.tif"]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert seen[0].mosaic == ("a.tif", str(odd), "b.tif")
