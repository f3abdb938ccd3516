"""Write an encoder as ONNX and check it against torch."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from lunar_models.encoders.interchange.program import CropsIn, export_program
from lunar_models.errors import ConfigError

TOLERANCE = 1e-4
"""Greatest difference between ONNX Runtime and torch, over the greatest value or 1."""
BATCHES = (1, 2, 13)
"""Numbers of crops that are compared; none is that of the traced example."""


def write_onnx(module: CropsIn, path: Path) -> None:
    """Write one file, weights included, that takes any number of crops.

    Raises:
        ConfigError: the packages of the extra `export` are missing.
    """
    _needs_packages()
    program = export_program(module)
    names = list(module(*module.example()))
    with _quiet():
        torch.onnx.export(
            program,
            (),
            path,
            input_names=module.input_names,
            output_names=names,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def difference(module: CropsIn, path: Path) -> float:
    """Compare an ONNX file with the module it was written from, by ONNX Runtime on the CPU.

    Returns:
        the greatest difference of any output, over the greatest absolute value of that output or 1.
    """
    _needs_packages()
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for count in BATCHES:
        inputs = module.example(count)
        with torch.inference_mode():
            ours = module(*inputs)
        named = {n: t.numpy() for n, t in zip(module.input_names, inputs, strict=True)}
        theirs = dict(zip(ours, session.run(list(ours), named), strict=True))
        for name, value in ours.items():
            expected = value.numpy()
            if theirs[name].shape != expected.shape or not np.isfinite(theirs[name]).all():
                return np.inf
            size = max(1.0, float(np.abs(expected).max()))
            worst = max(worst, float(np.abs(theirs[name] - expected).max()) / size)
    return worst


def _needs_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs packages that are not installed ({error}): pip install "
            "'lunar-models[export]'; or export without it: onnx=false."
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's notes on its own progress and on packages that nothing here needs."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
