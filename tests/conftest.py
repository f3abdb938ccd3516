"""Fixtures for all tests."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, FLAGS
from helpers import make_crop_set_folder
from hypothesis import settings

from lunar_models.crops.crop_set import CropSet

# No test is about time, and the machine may be busy.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# MLflow starts `uvicorn` by name; find it in this environment even where it is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


ROOT = Path(__file__).parents[1]
untracked_before = pytest.StashKey[set[str]]()


def untracked() -> set[str]:
    """What lies at the top of the checkout and belongs neither to the project nor to .gitignore."""
    command = ["git", "status", "--porcelain", "--untracked-files=normal"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = (line[3:] for line in shown.stdout.splitlines() if line.startswith("??"))
    return {line for line in lines if line.rstrip("/").count("/") == 0}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note what lies in the checkout before the tests."""
    session.config.stash[untracked_before] = untracked()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where tests leave something behind in the checkout, such as a database."""
    left = untracked() - session.config.stash[untracked_before]
    if left and not hasattr(session.config, "workerinput"):
        print(f"\nThe tests left in the checkout: {', '.join(sorted(left))}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def no_experiment_of_another_test() -> None:
    """`mlflow.set_experiment` writes this variable, and steps and projects obey it."""
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


@pytest.fixture
def crop_set(tmp_path: Path) -> CropSet:
    """60 crops of 32 px: 42 to train, 9 to validate, 9 to test."""
    return make_crop_set_folder(tmp_path / "crops")


@pytest.fixture(scope="module")  # as long as it lives, no other test of the process can use asyncio
def browser() -> Iterator[Any]:
    """Chromium, without a window on the screen."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly, at the end, what was not tested and how to have it tested."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count} skipped: {reason}")
    if any("hromium" in reason for reason in reasons):
        terminalreporter.line(
            "To test the pages, put Chromium on the PATH: `apt-get install chromium` (Debian, "
            "Ubuntu) or `brew install --cask chromium` (macOS)."
        )
