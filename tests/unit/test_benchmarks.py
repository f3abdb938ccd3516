"""Benchmarks are run by hand; what they import must still be there."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_ALL = """
import runpy, sys
root, *files = sys.argv[1:]
sys.path[:0] = [root, root + "/benchmarks", root + "/tests"]
for file in files:
    try:
        runpy.run_path(file, run_name="imported")
    except ModuleNotFoundError as error:  # an extra that is not installed
        if error.name in {"ray", "onnxruntime", "craterstats"}:
            continue
        raise
    except Exception as error:
        raise SystemExit(f"{file}: {error!r}")
"""


def test_every_benchmark_can_be_imported() -> None:
    files = sorted(map(str, ROOT.glob("benchmarks/*.py")))
    assert len(files) > 15
    command = [sys.executable, "-c", IMPORT_ALL, str(ROOT), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
