"""README and tutorial do what they say: every shell block runs, in order, in a fresh copy."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lunar_models.config.base import specs
from serving.cli.options import from_text
from steps.shared.reference import ENTRY_POINTS

ROOT = Path(__file__).resolve().parents[2]
SERVE = re.compile(r"^mlflow models serve .*--port (\d+)$", re.M)
SET_UP = re.compile(r"^(make (demo|test)\b|\. \.venv/).*\n", re.M)
"""What a test cannot do again: it runs in the environment that these commands have made."""


def shell_blocks(page: Path) -> str:
    """All ```sh blocks of a page as one script; a server goes to the background."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)
    script = SET_UP.sub("", "\n".join(blocks).replace("\\\n", " "))
    wait = "until curl -sf http://localhost:\\1/ping; do kill -0 $! && sleep 1; done"
    return "set -e\n" + SERVE.sub(rf"\g<0> & trap 'kill %1' EXIT\n{wait}", script)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that git tracks, in a folder of their own."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in names.stdout.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_blocks_of_a_page_run_in_order(page: str, checkout: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(checkout),
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    }
    done = subprocess.run(
        ["bash", "-c", shell_blocks(checkout / page)],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    if "curl" in (checkout / page).read_text():
        assert '"error": null' in done.stdout.replace('"error":null', '"error": null')


def test_the_readme_is_the_script_that_runs() -> None:
    script = shell_blocks(ROOT / "README.md")
    assert "make demo" not in script
    assert script.count("mlflow run .") >= 3
    assert "models serve" in script
    assert "/invocations" in script


def runs_in_documents() -> list[tuple[str, str]]:
    """Page and command of every ``mlflow run`` in a block of README, CONTRIBUTING and docs."""
    found = []
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.M | re.S):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, line) for line in lines if line.startswith("mlflow run .")]
    return found


@pytest.mark.parametrize(("page", "command"), runs_in_documents())
def test_a_command_in_the_documents_has_parameters_that_exist(page: str, command: str) -> None:
    words = shlex.split(command, comments=True)
    entry = words[words.index("-e") + 1] if "-e" in words else "main"
    known = {spec.name: spec for spec in specs(ENTRY_POINTS[entry])}
    values = [words[i + 1] for i, word in enumerate(words) if word == "-P"]
    for name, value in (value.split("=", 1) for value in values):
        from_text(known[name], value)
    given = {value.split("=", 1)[0] for value in values}
    assert not {name for name, spec in known.items() if spec.required} - given, page


def test_there_are_commands_in_the_documents() -> None:
    assert len(runs_in_documents()) >= 20
