"""Test a model in a process of its own before any worker loads it.

A damaged file can end a process (a native index reads wherever it points) or take for ever; then
it is this process that ends.
"""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from lunar_models.errors import CheckpointError, LunarModelsError


def try_model(folder: Path, seconds: float) -> str | None:
    """Load a bundle and have it answer its golden crops.

    Args:
        folder: of the bundle.
        seconds: longest time it may take.

    Returns:
        Why it must not serve; None if it may.
    """
    context = multiprocessing.get_context("spawn")
    line, other = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(str(folder), other), daemon=True)
    process.start()
    other.close()
    try:
        if not line.poll(seconds):
            process.kill()
            return f"Trying it took over {seconds:g} s."
        return line.recv_bytes().decode() or None
    except EOFError:
        process.join()
        return f"Trying it ended the process ({_cause(process.exitcode)}); it is damaged."
    finally:
        process.join(10)
        line.close()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _run(folder: str, line: Connection) -> None:
    """Send nothing if all is well, else what is wrong."""
    os.nice(5)
    try:
        _answer_golden(Path(folder))
        found = ""
    except LunarModelsError as error:
        found = str(error).replace(f"{folder}/", "").replace(folder, "of this version")
    except Exception as error:  # whatever it is, it would be the same in a worker
        found = f"{type(error).__name__}: {error}"[:500]
    line.send_bytes(found.encode())


def _answer_golden(folder: Path) -> None:
    """Answer golden crops as a request: embed, look up state, cluster and similar craters."""
    from serving.model.bundle import Bundle, golden_crops
    from serving.model.classify import classify_batch
    from serving.model.preparation import Prepared
    from serving.model.schema import ModelAnswer, Options

    bundle = Bundle.load(folder)
    crops = [Prepared(crop.astype(np.float32), "east", []) for crop in golden_crops(folder)]
    options = [Options()] * len(crops)
    for answer in classify_batch(bundle, crops, model=ModelAnswer(), options=options):
        if answer.error is not None:
            raise CheckpointError(f"A golden crop is not answered: {answer.error.message}")
