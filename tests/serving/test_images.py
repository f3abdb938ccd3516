"""Images decode to the same grey whatever they came in, and bad ones are refused by name."""

import io

import numpy as np
import pytest
from crop_images import encoded, text
from PIL import Image

from lunar_models.errors import CropImageError
from serving.model.crop_input import MAX_IMAGE_BYTES, decode_base64
from serving.model.images import decode_image

GREY = np.arange(20 * 24, dtype=np.uint8).reshape(20, 24)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "NPY"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    decoded = decode_image(encoded(GREY, kind))
    assert decoded.dtype == "uint8"
    np.testing.assert_array_equal(decoded.values, GREY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "NPY"])
def test_16_bits_are_kept(kind: str) -> None:
    deep = GREY.astype(np.uint16) * 250
    decoded = decode_image(encoded(deep, kind))
    assert decoded.dtype == "uint16"
    np.testing.assert_array_equal(decoded.values, deep)


@pytest.mark.parametrize("kind", ["TIFF", "NPY"])
def test_floats_mark_what_is_not_finite_as_no_data(kind: str) -> None:
    values = GREY.astype(np.float32) / 255
    values[3, 4], values[5, 6] = np.nan, np.inf
    decoded = decode_image(encoded(values, kind))
    assert np.isnan(decoded.values[[3, 5], [4, 6]]).all()
    assert np.isfinite(decoded.values).sum() == values.size - 2


def test_jpeg_is_close() -> None:
    smooth = np.tile(np.linspace(50, 200, 32).astype(np.uint8), (32, 1))
    assert np.abs(decode_image(encoded(smooth, "JPEG")).values - smooth).max() < 4


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "1"])
def test_colours_become_grey(mode: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(GREY).convert("RGB").convert(mode).save(stream, "PNG")
    values = decode_image(stream.getvalue()).values
    assert values.shape == GREY.shape
    if mode not in ("P", "1"):
        np.testing.assert_allclose(values, GREY, atol=1e-3)


def test_luminance_weights() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 100
    np.testing.assert_allclose(decode_image(encoded(red)).values, 29.9, rtol=1e-5)
    np.testing.assert_allclose(decode_image(encoded(red, "NPY")).values, 29.9, rtol=1e-5)


def _header_only(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def _bomb() -> bytes:
    """A PNG header that promises 60,000 x 60,000 pixels."""
    data = bytearray(encoded(GREY))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "undecodable"),
        (b"no image at all", "undecodable"),
        (encoded(GREY)[:60], "undecodable"),
        (encoded(GREY, "TIFF")[:40], "undecodable"),
        (encoded(GREY, "NPY")[:-1], "undecodable"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "undecodable"),
        (b"\x93NUMPY\x09\x00", "undecodable"),
        (encoded(np.zeros((3, 9), np.uint8)), "too_small"),
        (encoded(np.zeros((3, 9), np.uint8), "NPY"), "too_small"),
        (_bomb(), "undecodable"),
        (_header_only((10**9, 10**9)), "too_large"),
        (_header_only((64, 64)), "undecodable"),
        (_header_only((-8, -8)), "too_small"),
        (_header_only((8,)), "bad_shape"),
        (_header_only((8, 8, 7)), "bad_shape"),
        (_header_only((8, 8), "|O"), "bad_dtype"),
        (_header_only((8, 8), "<c8"), "bad_dtype"),
        (encoded(np.full((8, 8), np.nan), "NPY"), "not_finite"),
        (bytes(MAX_IMAGE_BYTES + 1), "too_large"),
    ],
)
def test_bad_images_are_refused_by_name(data: bytes, code: str) -> None:
    with pytest.raises(CropImageError) as raised:
        decode_image(data)
    assert raised.value.code == code


def test_other_formats_are_not_even_tried() -> None:
    with pytest.raises(CropImageError, match="PNG, JPEG, TIFF or NPY"):
        decode_image(encoded(GREY, "GIF"))


@pytest.mark.parametrize("bad", ["####", "abc", "äöü=", "A" * (MAX_IMAGE_BYTES * 4 // 3 + 8)])
def test_bad_base64_is_refused(bad: str) -> None:
    with pytest.raises(CropImageError) as raised:
        decode_base64(bad)
    assert raised.value.code in ("bad_base64", "too_large")
    assert bad not in str(raised.value)


def test_base64_round_trip() -> None:
    assert decode_base64(text(b"crater")) == b"crater"
