"""Fit the scaling of one or several mosaics' brightness to uint8."""

import logging

import numpy as np

from lunar_models.arrays import Float64Array
from lunar_models.crops.crop_set import Radiometry
from lunar_models.crops.nodata_marks import Marks, find_marks
from lunar_models.errors import MosaicError
from lunar_models.mosaic.colours import colour_doubt
from lunar_models.mosaic.raster import Mosaic, MosaicReader

_FAR_TAIL = 5.0
"""Times the range of 98 % of the pixels."""
PERCENTILES = (0.1, 99.9)
"""Brightness percentiles that become 0 and 255 where a mosaic is not 8 bits."""

_SAMPLE_ROWS = 256
_THIN = (512, 512)
_MOST_TIMES_BRIGHTER = 10.0
"""Than ground elsewhere, in the median: reflectances range from 0.01 to 0.3."""
_NOISE_BELOW_ZERO = 0.1
"""As a part of the brightest value; the WAC mosaics of 4 px/deg reach 0.05 below."""

_log = logging.getLogger(__name__)


def fit_radiometry(mosaics: tuple[Mosaic, ...]) -> Radiometry:
    """Fit the scaling of the mosaics' brightness to uint8.

    8-bit mosaics are left as they are. Otherwise `PERCENTILES` of rows spread evenly over all
    mosaics become 0 and 255.

    Raises:
        MosaicError: the mosaics' brightness cannot be compared, or they have no valid pixel in the
            sampled rows.
    """
    for mosaic in mosaics:
        _warn(colour_doubt(mosaic))
    encodings = [mosaic.encoding for mosaic in mosaics]
    lit = [mosaic.sun is not None for mosaic in mosaics]
    if all(encoding.eight_bit for encoding in encodings) and not any(lit):
        return Radiometry()
    samples = [sample_brightness(mosaic) for mosaic in mosaics]
    for mosaic, sample in zip(mosaics, samples, strict=True):
        _refuse_undeclared(mosaic, sample)
        _warn(values_below_zero(mosaic, sample) or far_tail(mosaic, sample))
    _check_comparable(mosaics, samples)
    sample = np.concatenate(samples)
    if sample.size == 0:
        raise MosaicError(
            f"{mosaics[0].path} has no valid pixel in {_SAMPLE_ROWS} sampled rows; check its "
            "nodata value and its mask."
        )
    low, high = (float(value) for value in np.percentile(sample, PERCENTILES))
    if not high > low:
        raise MosaicError(
            f"{mosaics[0].path} has the same brightness {low} everywhere; check its band, and its "
            "scale and nodata value."
        )
    stored = not any(lit) and not any(e.scaled or len(e.bands) > 1 for e in encodings)
    return Radiometry(source_dtype=encodings[0].dtype if stored else "float32", low=low, high=high)


def _warn(doubt: str | None) -> None:
    if doubt is not None:
        _log.warning("%s.", doubt)


def _check_comparable(mosaics: tuple[Mosaic, ...], samples: list[Float64Array]) -> None:
    """Raise MosaicError unless the brightness of all mosaics is comparable."""
    if len(mosaics) == 1 or all(mosaic.sun is not None for mosaic in mosaics):
        return
    dtypes = sorted({mosaic.encoding.dtype for mosaic in mosaics})
    if len(dtypes) > 1 and not all(mosaic.encoding.physical for mosaic in mosaics):
        raise MosaicError(
            f"The mosaics hold different types ({', '.join(dtypes)}), whose brightness cannot be "
            "compared; convert them to one with gdal_translate -ot, or say their scale and offset "
            "with gdal_edit.py -scale -offset."
        )
    bits = sorted({mosaic.encoding.bits for mosaic in mosaics if not mosaic.encoding.physical})
    if len(bits) > 1:
        raise MosaicError(
            f"The mosaics use {' and '.join(map(str, bits))} bits of their numbers, whose "
            "brightness cannot be compared; convert them to one with gdal_translate -scale."
        )
    first = _levels(samples[0])
    for mosaic, sample in zip(mosaics[1:], samples[1:], strict=True):
        _check_overlap(mosaics[0], first, mosaic, _levels(sample))


def _levels(sample: Float64Array) -> Float64Array:
    """Low, middle and high brightness (1, 50 and 99 %)."""
    return np.percentile(sample, (1, 50, 99)) if sample.size else np.full(3, np.nan)


def _check_overlap(one: Mosaic, first: Float64Array, other: Mosaic, second: Float64Array) -> None:
    """Raise MosaicError where two mosaics have no brightness in common.

    Mosaics whose files say the same of their numbers may be of brighter and darker ground.
    """
    apart = second[0] > first[2] or second[2] < first[0]
    alike = len({(m.encoding.dtype, m.encoding.scales, m.encoding.offsets) for m in (one, other)})
    low, high = sorted(np.abs((first[1], second[1])))
    if apart and (alike > 1 or high > _MOST_TIMES_BRIGHTER * low):
        raise MosaicError(
            f"The brightness of {other.path} ({second[0]:g} to {second[2]:g}) has nothing in "
            f"common with that of {one.path} ({first[0]:g} to {first[2]:g}); correct their scale "
            "and offset with gdal_edit.py -scale -offset."
        )


def values_below_zero(mosaic: Mosaic, sample: Float64Array) -> str | None:
    """Return a warning if brightness is negative beyond noise, as heights are; else None."""
    if mosaic.sun is not None or not sample.size:
        return None
    low, high = np.percentile(sample, (1, 99))
    if low >= -_NOISE_BELOW_ZERO * abs(high):
        return None
    return (
        f"{mosaic.path} reaches below zero ({low:g} to {high:g}), which brightness does not: if "
        "these are heights, light them with shade=90,65"
    )


def far_tail(mosaic: Mosaic, sample: Float64Array) -> str | None:
    """Return a warning if few pixels lie far from all others, so that these get few levels.

    So do pixels between data and a mark of no data that was resampled with them.
    """
    if mosaic.encoding.eight_bit or mosaic.sun is not None or not sample.size:
        return None
    least, low, high, largest = np.percentile(sample, (PERCENTILES[0], 1, 99, PERCENTILES[1]))
    if largest - least <= _FAR_TAIL * (high - low):
        return None
    return (
        f"{mosaic.path} spans {low:g} to {high:g} in 98 % of its pixels, and {least:g} to "
        f"{largest:g} in 99.8 %, so that most of them get few levels of grey: marks of no data "
        "may have been resampled with the data; mask their surroundings"
    )


def _refuse_undeclared(mosaic: Mosaic, sample: Float64Array) -> None:
    """Raise MosaicError for a value that looks like a mark of no data and is not declared."""
    if mosaic.sun is not None:  # what is lit is the slope between such a value and its neighbours
        shape = (min(mosaic.height, _THIN[0]), min(mosaic.width, _THIN[1]))
        sample = mosaic.thin(shape).ravel()
        sample = sample[np.isfinite(sample)]
    marks = find_marks(sample)
    if marks is not None:
        raise MosaicError(
            f"{marks.share:.1%} of {mosaic.path} is {marks}, which looks like an undeclared mark "
            f"of no data. {how_to_declare(marks)}"
        )


def how_to_declare(marks: Marks) -> str:
    """Return what to do about marks of no data that a file does not declare."""
    if marks.low == marks.high:
        return f"Declare it: gdal_edit.py -a_nodata {marks.low:g} (in its stored units)."
    return (
        f"Make one value of them and declare it: gdal_calc.py -A MOSAIC --outfile=OUT.tif "
        f'--calc="where((A >= {marks.low:g}) & (A <= {marks.high:g}), {marks.low:g}, A)" '
        f"--NoDataValue={marks.low:g} (in its stored units)."
    )


def sample_brightness(mosaic: Mosaic) -> Float64Array:
    """Valid, not saturated brightness of evenly spread rows, thinned to about a thousand a row.

    Raises:
        MosaicError: the file cannot be read.
    """
    count = min(_SAMPLE_ROWS, mosaic.height)
    rows = (np.arange(count) * mosaic.height) // count
    thin = max(1, mosaic.width // 1024)
    kept = []
    with MosaicReader(mosaic) as reader:
        for row in rows:
            values = reader.read_brightness(int(row), 0, 1, mosaic.width)[0, ::thin]
            kept.append(values[np.isfinite(values)])
    return np.concatenate(kept)
