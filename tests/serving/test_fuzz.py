"""No input makes the server fail: bytes corrupted by Hypothesis, requests made from the OpenAPI.

Both run briefly by default and for thousands of cases under `make test-all`.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from crop_images import encoded, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_server import Live, live_server
from PIL import Image

from serving.model.bundle import Bundle
from serving.model.classify import classify
from serving.model.schema import ModelAnswer, Options

CROP = (np.indices((24, 24)).sum(0) * 5).astype(np.uint8)
SEEDS = [
    *(encoded(CROP, kind) for kind in ("PNG", "TIFF", "JPEG", "NPY")),
    encoded(CROP.astype(np.uint16) * 250),
    encoded(CROP.astype(np.float32), "TIFF"),
    encoded(np.stack([CROP] * 3, -1)),
]
CODES = {
    "undecodable", "too_large", "too_small", "bad_dtype", "bad_shape", "not_finite", "featureless",
    "bad_base64", "bad_item", "no_embedding", "too_costly", "bad_nodata",
}  # fmt: skip


@st.composite
def bent_images(draw: st.DrawFn) -> bytes:
    """A good image with bytes cut off, changed, repeated or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        how = draw(st.sampled_from(["cut", "change", "insert", "size"]))
        if how == "cut":
            del data[at:]
        elif how == "change" and data:
            data[at] = draw(st.integers(0, 255))
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=8))
        else:  # where a PNG says how large it is
            data[16:24] = draw(st.binary(min_size=8, max_size=8))
    return bytes(data)


@st.composite
def npy_files(draw: st.DrawFn) -> bytes:
    """Any header before any bytes."""
    stream = io.BytesIO()
    shape = tuple(draw(st.lists(st.integers(-2, 2**40) | st.integers(0, 16), max_size=4)))
    dtype = draw(
        st.sampled_from(["<f8", "<f4", "|u1", ">u2", "|O", "<U4", "<c16", "<M8[s]", "|V8"])
    )
    header = {"descr": dtype, "fortran_order": draw(st.booleans()), "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + draw(st.binary(max_size=4096))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {"image": (bent_images() | npy_files() | st.binary(max_size=64)).map(text)},
    optional={"sun_side": st.sampled_from(["east", "west", "up"]), "pixel_scale_m": st.floats(),
              "diameter_km": st.floats() | JSON},
)  # fmt: skip
ITEMS = st.lists(FIELDS | JSON, min_size=1, max_size=6)


def check_answers(answers: list) -> None:
    for answer in answers:
        if answer.error is not None:
            assert answer.error.code in CODES
        else:
            assert answer.embedding is not None
            assert np.isfinite(answer.embedding).all()


@pytest.mark.parametrize("cases", [100, pytest.param(2500, marks=pytest.mark.slow)])
def test_any_items_are_answered_or_refused_by_name(bundle: Bundle, cases: int) -> None:
    @settings(max_examples=cases, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(ITEMS)
    def check(items: list) -> None:
        check_answers(classify(bundle, items, model=ModelAnswer(), options=Options()))

    check()


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("fuzz"), bundle_folder, max_body_mb=4.0) as live:
        yield live


@pytest.mark.parametrize("cases", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_any_raw_body_is_answered_over_http(server: Live, cases: int) -> None:
    kinds = [
        "image/png",
        "application/x-npy",
        "application/json",
        "multipart/form-data; boundary=x",
    ]

    @settings(max_examples=cases, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(bent_images() | npy_files() | st.binary(max_size=200), st.sampled_from(kinds))
    def check(body: bytes, kind: str) -> None:
        reply = server.post("/v1/classify", data=body, headers={"content-type": kind})
        assert reply.status_code < 500
        assert "Traceback" not in reply.text

    check()


def test_a_bomb_is_not_inflated(server: Live) -> None:
    """12,000 x 12,000 zeros are 18 kB as a PNG and 144 MB in memory."""
    stream = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(stream, "PNG")
    headers = {"content-type": "image/png"}
    reply = server.post("/v1/classify", data=stream.getvalue(), headers=headers)
    assert reply.json()["predictions"][0]["error"]["code"] in ("too_large", "undecodable")


def test_ten_thousand_items_are_refused_at_once(server: Live) -> None:
    reply = server.post("/invocations", json={"inputs": [{"image": "x"}] * 10_000})
    assert (reply.status_code, reply.json()["code"]) == (413, "too_many")


@pytest.mark.slow
def test_requests_made_up_from_the_openapi(server: Live) -> None:
    command = ["run", f"{server.url}/openapi.json", "--checks", "not_a_server_error"]
    options = ["--max-examples", "100", "--seed", "1", "--workers", "2"]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), *command, *options],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout[-4000:]
