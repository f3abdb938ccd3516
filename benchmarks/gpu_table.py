"""Measure rates, and keep the table that `benchmarks.gpu` prints."""

import itertools
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Case(NamedTuple):
    """A network as the table names it."""

    label: str
    side: int
    crops: int
    checked: int
    settings: dict[str, Any]
    before: dict[str, float]
    """crops/s on an H100 when this table was first made."""
    aims: dict[str, float]
    """crops/s."""


class Bench:
    """Measures and prints row after row, and keeps them."""

    def __init__(self, device: torch.device, seconds: float, file: Path | None) -> None:
        self.device, self.seconds, self.file = device, seconds, file
        name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
        self.machine = {"torch": torch.__version__, "device": name}
        self.rows: list[dict[str, Any]] = []
        self.faults: list[str] = []

    def rate(self, work: Iterator[int], warm_up: int = 1, seconds: float | None = None) -> float:
        """crops/s of work that yields their numbers; its first pieces warm up."""
        for _ in itertools.islice(work, warm_up):
            pass
        self.wait()
        started, count = time.perf_counter(), 0
        for crops in work:
            count += crops
            if time.perf_counter() - started > (seconds or self.seconds):
                break
        self.wait()
        return count / (time.perf_counter() - started)

    def wait(self) -> None:
        """Until the device has done its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def check(self, what: str, found: float, most: float) -> float:
        """Tell a difference larger than rounding or chance explains; it fails the whole run."""
        if not found <= most:
            self.faults.append(f"{what}: {found:.2g} apart, at most {most} are explained.")
            print(f"WRONG: {self.faults[-1]}", flush=True)
        return found

    def row(self, case: Case, task: str, **values: float | None) -> None:
        """Print and keep one row."""
        before, aim = case.before.get(task), case.aims.get(task)
        row = {"network": case.label, "task": task, "before": before, "aim": aim, **values}
        self.rows.append(row)
        names = ("before", "ours", "eager", "tuned", "aim")
        numbers = "".join(f"{row.get(name) or math.nan:11,.0f}" for name in names)
        told = {name: row[name] for name in values if name not in names}
        notes = "  ".join(f"{name.replace('_', ' ')} {value:.2g}" for name, value in told.items())
        print(f"{case.label:17} {task:10} {numbers}  {notes}".replace("nan", "  -"), flush=True)
        if self.file:
            self.file.write_text(json.dumps(self.machine | {"rows": self.rows}, indent=2) + "\n")
