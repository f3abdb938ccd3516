"""What decoding costs is known before it begins; what takes long all the same is killed."""

import asyncio
import io
import os
import signal
import struct
import time
import zlib
from collections.abc import Iterator

import numpy as np
import psutil
import pytest
from crop_images import encoded
from PIL import Image

from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import CropImageError
from serving.app import decoders as module
from serving.app.decoders import DecoderPool
from serving.app.decoding_cost import decoding_cost
from serving.app.problems import Problem
from serving.model.crop_input import CropInput
from serving.model.images import decode_image
from serving.model.preparation import CropForm, Prepared, prepare_input

CROP = (np.indices((64, 64)).sum(0) * 2).astype(np.uint8)
FORM = CropForm(32, 1.5, Radiometry())


def many_scans() -> bytes:
    """A progressive JPEG whose last scan is there 20,000 times."""
    stream = io.BytesIO()
    Image.fromarray(np.kron(CROP, np.ones((8, 8), np.uint8))).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 20_000 + data[-2:]


def tiff(tags: dict[int, tuple[int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF of LONG tags: (count, value or offset)."""
    entries = b"".join(struct.pack("<HHII", t, 4, n, v) for t, (n, v) in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0\0\0\0" + tail


def huge_tile() -> bytes:
    plain = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 32_768, 323: 65_504}
    return tiff({**{t: (1, v) for t, v in plain.items()}, 324: (1, 200), 325: (1, 100)})


def many_strips() -> bytes:
    plain = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 278: 1}
    return tiff({**{t: (1, v) for t, v in plain.items()}, 273: (500_000, 200)}, bytes(4 * 500_000))


def many_chunks() -> bytes:
    data = encoded(CROP)
    empty = struct.pack(">I4sI", 0, b"teSt", zlib.crc32(b"teSt"))
    return data[:33] + empty * 1_000_000 + data[33:]


@pytest.mark.parametrize("make", [many_scans, huge_tile, many_strips, many_chunks])
def test_what_would_cost_too_much_is_not_begun(make) -> None:
    data = make()
    begun = time.process_time()
    with pytest.raises(CropImageError) as raised:
        decode_image(data)
    assert raised.value.code == "too_costly"
    assert time.process_time() - begun < 0.5


def test_ordinary_files_are_within_the_limits() -> None:
    large = np.kron(CROP, np.ones((32, 32), np.uint8))
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, "JPEG", progressive=True)
    for data in (encoded(large), encoded(large, "TIFF"), encoded(large, "NPY"), stream.getvalue()):
        assert decode_image(data).values.shape == (2048, 2048)


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(1, limit_s=20.0)
    pool.start()
    yield pool
    pool.close()


def ask(pool: DecoderPool, crops: list, seconds: float = 60.0) -> list:
    return asyncio.run(prepare(pool, crops, seconds))


async def prepare(pool: DecoderPool, crops: list, seconds: float) -> list:
    costs = [decoding_cost(crop) for crop in crops]
    return await pool.prepare(FORM, crops, costs, deadline=time.monotonic() + seconds)


def test_a_process_prepares_as_the_worker_does(pool: DecoderPool) -> None:
    costly = CropInput(encoded(np.kron(CROP, np.ones((16, 16), np.uint8)), "TIFF"))
    cheap, refused = CropInput(encoded(CROP)), CropImageError("bad_item", "none")
    broken = CropInput(costly.data[:200])
    found = ask(pool, [cheap, costly, refused, broken])
    assert found[0] is cheap
    assert found[2] is refused
    expected = prepare_input(FORM, costly)
    np.testing.assert_array_equal(found[1].crop, expected.crop)
    assert found[1].warnings == expected.warnings
    assert (found[3].code, str(found[3])) == ("undecodable", "'image' is damaged or cut short.")


def test_a_stuck_decoder_is_killed_and_replaced(pool: DecoderPool) -> None:
    costly = CropInput(encoded(CROP, "TIFF"))
    ask(pool, [costly])
    (process,) = decoders()
    process.send_signal(signal.SIGSTOP)
    pool._limit_s = 0.3
    (stuck,) = ask(pool, [costly])
    assert (stuck.code, "too long" in str(stuck)) == ("too_costly", True)
    pool._limit_s = 20.0
    (after,) = ask(pool, [costly])
    assert isinstance(after, Prepared)
    assert not process.is_running()


def test_a_decoder_that_dies_is_replaced(pool: DecoderPool) -> None:
    costly = CropInput(encoded(CROP, "TIFF"))
    ask(pool, [costly])
    (process,) = decoders()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert isinstance(ask(pool, [costly])[0], Prepared)


def decoders() -> list[psutil.Process]:
    """The processes that decode: children of the fork server."""
    return [p for p in psutil.Process().children(recursive=True) if p.nice() == 5]


def test_a_request_of_large_pictures_lets_a_small_one_pass(pool: DecoderPool) -> None:
    large = CropInput(encoded(np.kron(CROP, np.ones((32, 32), np.uint8)), "TIFF"))
    small = CropInput(encoded(CROP, "TIFF"))
    finished: list[str] = []

    async def scenario() -> None:
        async def one(name: str, crops: list) -> None:
            await prepare(pool, crops, 120.0)
            finished.append(name)

        first = asyncio.create_task(one("large", [large] * 30))
        await asyncio.sleep(0.2)
        await asyncio.gather(first, one("small", [small]))

    asyncio.run(scenario())
    assert finished == ["small", "large"]


def test_too_much_waiting_is_refused(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 10_000)
    costly = CropInput(encoded(CROP, "TIFF"))

    async def scenario() -> None:
        both = [prepare(pool, [costly] * 3, 60.0) for _ in range(2)]
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert len(first) == 3
        assert isinstance(second, Problem)
        assert second.status == 503

    asyncio.run(scenario())
    assert pool._cost == 0
