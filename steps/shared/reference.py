"""Write the copies of what the code declares: MLproject, conda.yaml, docs/parameters.md.

``make reference`` runs it; a test fails where a copy is out of date.
"""

import tomllib
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lunar_models.config.agreement import AgreementConfig
from lunar_models.config.base import ParamSpec, StepConfig, specs
from lunar_models.config.classify import ClassifyRunConfig
from lunar_models.config.compare import CompareConfig
from lunar_models.config.download import DownloadConfig
from lunar_models.config.export import ExportConfig
from lunar_models.config.import_checkpoint import ImportCheckpointConfig
from lunar_models.config.inspect import InspectConfig
from lunar_models.config.pretrain import PretrainConfig
from lunar_models.config.promote import PromoteConfig
from lunar_models.config.relabel import RelabelConfig
from lunar_models.config.select import SelectConfig
from lunar_models.config.sweep import SweepConfig
from serving.cli.options import help_text, option_name, to_text
from steps.shared.pipeline import PIPELINE, MainConfig

ROOT = Path(__file__).resolve().parents[2]

ENTRY_POINTS: dict[str, type[StepConfig]] = {
    "main": MainConfig,
    "inspect": InspectConfig,
    **{step.name: step.config for step in PIPELINE},
    "classify": ClassifyRunConfig,
    "sweep": SweepConfig,
    "pretrain": PretrainConfig,
    "import_checkpoint": ImportCheckpointConfig,
    "select": SelectConfig,
    "agreement": AgreementConfig,
    "relabel": RelabelConfig,
    "export": ExportConfig,
    "compare": CompareConfig,
    "promote": PromoteConfig,
    "download": DownloadConfig,
}

_PYTHON = "3.11"


def mlproject() -> str:
    """Write the MLproject file: every entry point, its typed parameters and its command."""
    lines = [
        "# Written by `make reference` from lunar_models/config; do not edit.",
        "name: lunar-models",
        "",
        "conda_env: conda.yaml",
        "",
        "entry_points:",
    ]
    for name, config in ENTRY_POINTS.items():
        lines += [f"  {name}:", "    parameters:"]
        lines += [f"      {spec.name}: {_declaration(spec)}" for spec in specs(config)]
        options = " ".join(f"{option_name(s.name)} {{{s.name}}}" for s in specs(config))
        lines += [f'    command: "python -m steps.{name} {options}"', ""]
    return "\n".join(lines)


def _declaration(spec: ParamSpec) -> str:
    numeric = spec.type in (int, float) and not spec.optional and not spec.repeated
    kind = "float" if numeric else "string"
    if spec.required:  # MLflow takes a parameter without default as required
        return f"{{type: {kind}}}"
    text = to_text(spec, spec.default)
    return f"{{type: {kind}, default: {text if numeric else _quoted(text)}}}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def conda_environment() -> str:
    """conda.yaml: Python, pip, and all that the project runs on, at constraints.txt's versions."""
    pins = read_pins(ROOT / "constraints.txt")
    lines = [
        "# Written by `make reference` from pyproject.toml and constraints.txt; do not edit.",
        "# All packages are under pip: MLflow's uv and virtualenv managers see nothing else.",
        "name: lunar-models",
        "channels: [conda-forge]",
        "dependencies:",
        f"  - python={_PYTHON}",
        "  - pip",
        "  - pip:",
        *(f"      - {name}=={pins[name]}" for name in sorted(needed_packages(pins))),
    ]
    return "\n".join(lines) + "\n"


def dependencies() -> list[str]:
    """Names of the packages that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [canonicalize_name(Requirement(line).name) for line in project["dependencies"]]


def needed_packages(pins: Mapping[str, str]) -> set[str]:
    """pyproject's dependencies and, from the installed packages, all they depend on.

    What has no pin is left out: packages of one platform, such as CUDA, which torch pins itself.
    """
    found: set[str] = set()
    waiting = [Requirement(name) for name in dependencies()]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name not in pins:
            continue
        found.add(name)
        extras = requirement.extras or {""}
        waiting += (
            each
            for each in map(Requirement, distribution(name).requires or ())
            if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
        )
    return found


def read_pins(file: Path) -> dict[str, str]:
    """Read ``name==version`` lines as a dict."""
    lines = (line.strip() for line in file.read_text().splitlines())
    pairs = (line.split("==", 1) for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def parameter_table(name: str) -> str:
    """Return one entry point's parameters as a Markdown table."""
    rows = ["| parameter | default | meaning |", "|---|---|---|"]
    for spec in specs(ENTRY_POINTS[name]):
        default = "required" if spec.required else f"`{to_text(spec, spec.default)}`"
        choices = f" One of {', '.join(spec.choices)}." if spec.choices else ""
        rows.append(f"| `{spec.name}` | {default} | {help_text(spec)}{choices} |")
    return "\n".join(rows)


def parameters_page() -> str:
    """docs/parameters.md: a table for every entry point."""
    parts = ["# Parameters", "Written by `make reference` from the code; do not edit."]
    for name in ENTRY_POINTS:
        doc = (ENTRY_POINTS[name].__doc__ or "").strip().splitlines()[0]
        parts += [f"## {name}", doc, parameter_table(name)]
    return "\n\n".join(parts) + "\n"


COPIES = {
    "MLproject": mlproject,
    "conda.yaml": conda_environment,
    "docs/parameters.md": parameters_page,
}
"""File -> what it must contain."""


def main() -> None:
    """Write all copies."""
    for name, content in COPIES.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(content())
    yaml.safe_load((ROOT / "MLproject").read_text())


if __name__ == "__main__":
    main()
