"""What is written twice must agree: MLproject, conda.yaml, README against the code."""

import ast
import importlib
import re
import shlex
import sys
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.utils import canonicalize_name

from lunar_models.config.base import specs
from serving.cli.options import from_text, option_name
from steps.shared.pipeline import PIPELINE
from steps.shared.reference import (
    COPIES,
    ENTRY_POINTS,
    ROOT,
    dependencies,
    read_pins,
)

PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())


@pytest.mark.parametrize("name", COPIES)
def test_written_copies_are_up_to_date(name):
    assert (ROOT / name).read_text() == COPIES[name](), "run `make reference`"


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_the_page_of_parameters_says_what_the_config_says(name):
    """Read back from the page, because the generator may write nonsense twice alike."""
    page = (ROOT / "docs/parameters.md").read_text()
    (section,) = re.findall(rf"^## {name}\n\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    intro, _, table = section.partition("\n\n")
    assert len(intro) <= 120
    assert intro.endswith(".")
    assert "(*" not in intro  # pydantic's and dataclasses' signature of a class without docstring
    heading, rule, *rows = table.strip().splitlines()
    assert (heading, rule) == ("| parameter | default | meaning |", "|---|---|---|")
    cells = [re.fullmatch(r"\| `(\w+)` \| (.+?) \| (.+) \|", row).groups() for row in rows]
    wanted = specs(ENTRY_POINTS[name])
    assert [parameter for parameter, _, _ in cells] == [spec.name for spec in wanted]
    for spec, (_, default, meaning) in zip(wanted, cells, strict=True):
        assert meaning.startswith(spec.help)
        assert (default == "required") == spec.required
        if not spec.required:
            assert from_text(spec, default.strip("`")) == spec.default
        for fact in (spec.unit, *(spec.choices or ())):
            assert fact is None or fact in meaning
        for word, limit in (("at least", spec.minimum), ("at most", spec.maximum)):
            assert (limit is None) == (f"{word} " not in meaning.removeprefix(spec.help))
            assert limit is None or f"{word} {limit}" in meaning


def test_mlproject_has_every_entry_point():
    assert list(PROJECT["entry_points"]) == list(ENTRY_POINTS)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_mlproject_agrees_with_the_config(name):
    """Names, order, defaults (as click reads them) and the command."""
    declared = PROJECT["entry_points"][name]
    wanted = specs(ENTRY_POINTS[name])
    assert list(declared["parameters"]) == [spec.name for spec in wanted]
    for spec in wanted:
        parameter = declared["parameters"][spec.name]
        assert ("default" not in parameter) == spec.required
        if not spec.required:
            text = str(parameter["default"])
            assert from_text(spec, text) == spec.default
    options = [part for spec in wanted for part in (option_name(spec.name), f"{{{spec.name}}}")]
    assert shlex.split(declared["command"]) == ["python", "-m", f"steps.{name}", *options]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_commands_take_the_options_of_their_config(name):
    command = importlib.import_module(f"steps.{name}").main
    assert [p.name for p in command.params] == [s.name for s in specs(ENTRY_POINTS[name])]
    assert command.help
    assert all(p.help for p in command.params)


def test_conda_environment_is_the_constraints_without_the_tools():
    """Else conda and uv would choose what our dependencies depend on, by the day of the build."""
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text())
    *plain, pip = environment["dependencies"]
    assert plain == ["python=3.11", "pip"]  # uv and virtualenv see nothing but these and pip:
    pins = read_pins(ROOT / "constraints.txt")
    packages = dict(line.split("==") for line in pip["pip"])
    assert packages.items() <= pins.items()
    assert packages.keys() >= {*dependencies(), "sqlalchemy", "starlette", "python-dateutil"}
    assert not packages.keys() & {"pytest", "mypy", "ruff", "hypothesis", "playwright"}


def test_every_direct_import_is_declared():
    """A package that only comes along with another may leave with its next version."""
    declared = {*dependencies()}
    known = packages_distributions()
    for package in ("lunar_models", "serving", "steps"):
        for file in (ROOT / package).rglob("*.py"):
            for name in _imported(file) - {*sys.stdlib_module_names, *PACKAGES}:
                if name in OPTIONAL:
                    continue
                distributions = {canonicalize_name(d) for d in known[name]}
                assert distributions & declared, f"{file} imports {name}: declare it"


PACKAGES = ("lunar_models", "serving", "steps")
OPTIONAL = ("ray", "onnx", "onnxruntime", "onnxscript")
"""What an extra brings."""


def _imported(file):
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    parts = {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level}
    return {name.partition(".")[0] for name in plain | parts}


def test_served_requirements_are_dependencies():
    registry = importlib.import_module("steps.shared.registry")
    assert set(registry._REQUIREMENTS) <= set(dependencies())


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_documented_commands_use_real_entry_points_and_parameters(page):
    _check_commands(page)


def test_tests_that_the_documents_name_exist():
    named = {
        (page.name, path)
        for page in sorted((ROOT / "docs").glob("*.md"))
        for path in re.findall(r"tests/[\w/]+\.py", page.read_text())
    }
    assert named
    assert [(page, path) for page, path in sorted(named) if not (ROOT / path).exists()] == []


def test_readme_commands_use_real_entry_points_and_parameters():
    assert _check_commands(ROOT / "README.md")


def _check_commands(page):
    """Compare each ``mlflow run`` line of a page with the entry points; how many there are."""
    text = page.read_text().replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("mlflow run .")]
    for line in commands:
        words = shlex.split(line, comments=True)
        entry = words[words.index("-e") + 1] if "-e" in words else "main"
        known = {spec.name for spec in specs(ENTRY_POINTS[entry])}
        given = {words[i + 1].partition("=")[0] for i, w in enumerate(words) if w == "-P"}
        assert given <= known, line
    return len(commands)


def test_two_steps_that_share_a_parameter_mean_the_same():
    """`main` offers each name once, so types and limits must agree."""
    main = {spec.name: spec for spec in specs(ENTRY_POINTS["main"])}
    for step in PIPELINE:
        name = step.name
        for spec in specs(step.config):
            if step.offers(spec.name) and spec.role != "output":
                shared = main[spec.name]
                assert (spec.type, spec.choices, spec.repeated) == (
                    shared.type,
                    shared.choices,
                    shared.repeated,
                ), (name, spec.name)
