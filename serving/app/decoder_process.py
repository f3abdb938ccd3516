"""Run a process that decodes images for a worker, and that may be killed at any time.

It gets the form of the crops, hints and an encoded image, and answers with the prepared crop or the
reason why there is none; JSON and raw arrays only, so that nothing it says is ever executed.
"""

import contextlib
import json
import os
import resource
import signal
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from lunar_models.crops.crop_set import Radiometry
from lunar_models.crops.resampling import resize_crop
from lunar_models.errors import CropImageError
from serving.model.crop_input import CropInput
from serving.model.preparation import CropForm, Prepared, prepare_input
from serving.model.schema import CropHints, QualityWarning

_NICE = 5
"""Small images, which the worker decodes itself, have the first claim to the processor."""
_MEMORY = 2**30
"""Bytes a process may take beyond what it begins with."""


def run(connection: Connection) -> None:
    """Decode until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(_NICE)
    _limit_resources()
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            question = json.loads(connection.recv_bytes())
            data = connection.recv_bytes()
            reply, crop = _answer(question, data)
            connection.send_bytes(json.dumps(reply).encode())
            connection.send_bytes(crop)


def _limit_resources() -> None:
    with contextlib.suppress(OSError):  # Linux only
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY, now + _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(question: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    form = question["form"]
    try:
        prepared = prepare_input(
            CropForm(**{**form, "radiometry": Radiometry(**form["radiometry"])}),
            CropInput(data, CropHints(**question["hints"])),
        )
    except CropImageError as error:
        return {"code": error.code, "message": str(error)}, b""
    except MemoryError:
        return {"code": "too_costly", "message": "Decoding 'image' takes too much memory."}, b""
    warnings = [warning.model_dump() for warning in prepared.warnings]
    told = {
        "sun_side": prepared.sun_side,
        "sun_azimuth_deg": prepared.sun_azimuth_deg,
        "warnings": warnings,
        "known": prepared.known,
    }
    return told, prepared.crop.tobytes()


def write_question(form: CropForm, hints: CropHints) -> bytes:
    """Encode what is sent before the image."""
    known = {k: v for k, v in hints.model_dump().items() if k in CropHints.model_fields}
    return json.dumps({"form": asdict(form), "hints": known}).encode()


def read_answer(form: CropForm, reply: bytes, crop: bytes) -> Prepared | CropImageError:
    """Decode what was sent back.

    Raises:
        ValueError, KeyError, TypeError: it makes no sense; the process was led astray.
    """
    answer = json.loads(reply)
    if "code" in answer:
        return CropImageError(str(answer["code"]), str(answer["message"]))
    values = np.frombuffer(crop, np.float32).reshape(form.crop_size_px, form.crop_size_px).copy()
    warnings = [QualityWarning(**warning) for warning in answer["warnings"]]
    return Prepared(
        values,
        answer["sun_side"],
        warnings,
        known=dict(answer["known"]),
        sun_azimuth_deg=answer["sun_azimuth_deg"],
    )


# The fork server imports this module once; compiled now, resampling is ready in every process.
resize_crop(np.zeros((5, 5), np.float32), 4)
