"""Damaged files of every kind are refused by name or read; nothing else, and no dead process.

`LUNAR_FUZZ_INPUTS` sets how many; without it a few by default and 12,000 under `make test-all`.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import damaged_files
import pytest

INPUTS = int(os.environ.get("LUNAR_FUZZ_INPUTS", "12000"))
SECONDS = 3600


@pytest.mark.parametrize("count", [135, pytest.param(INPUTS, marks=pytest.mark.slow)])
def test_damaged_files_are_read_or_refused_by_name(tmp_path: Path, count: int) -> None:
    file = Path(damaged_files.__file__)
    done = subprocess.run(
        [sys.executable, file, tmp_path, "0", str(count)],
        capture_output=True, text=True, timeout=SECONDS, cwd=file.parent,
    )  # fmt: skip
    said = done.stdout.splitlines()
    assert done.returncode == 0, f"{said[-1:]} {done.stderr[-2000:]}"  # the last case is named
    faults = [line for line in said if line.startswith("FAULT")]
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:20]])
    outcomes = Counter(line for line in said if line in ("OK", "REFUSED"))
    print("damaged files", dict(outcomes))
    assert outcomes.total() == count
    assert outcomes["REFUSED"] > count / 3
    assert outcomes["OK"] > count / 10
