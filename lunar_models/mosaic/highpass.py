"""Remove brightness that varies slowly over a mosaic, while it is being read.

Each pixel becomes ``value - blurred + 128``. The blur is Gaussian, cut off at four sigma, over the
pixels with data only (normalised convolution, Knutsson & Westin 1993,
doi 10.1109/CVPR.1993.341081); it goes around the edge of a global mosaic. Blocks are read with
a halo as wide as the kernel, so the result does not depend on how the mosaic is cut up.
"""

import cv2
import numpy as np
import numpy.typing as npt

from lunar_models.mosaic.raster import Mosaic, MosaicReader
from lunar_models.mosaic.strips import NODATA, RowReader

MID_GREY = 128.0
TRUNCATE = 4.0

_BLOCK_COLUMNS = 2048


class HighpassReader:
    """Reads windows of a mosaic, filtered; rows should be asked for in ascending order."""

    def __init__(self, reader: MosaicReader, sigma_px: float) -> None:
        """Filter what `reader` reads with a Gaussian of `sigma_px` mosaic pixels."""
        self.mosaic: Mosaic = reader.mosaic
        self._reader = reader
        self._radius = int(TRUNCATE * sigma_px + 0.5)
        self._kernel = cv2.getGaussianKernel(2 * self._radius + 1, sigma_px, cv2.CV_32F)
        self._held: dict[tuple[int, int], tuple[int, npt.NDArray[np.uint8]]] = {}

    def read(self, row0: int, column0: int, out: npt.NDArray[np.uint8]) -> None:
        """Fill `out` (rows, columns) uint8 with the filtered window at (row0, column0).

        Raises:
            MosaicError: the mosaic cannot be read.
        """
        rows, columns = out.shape
        halo = self._radius
        window = self._load(row0 - halo, column0, rows + 2 * halo, columns)
        inside = self._inside(row0 - halo, column0 - halo, window.shape)
        for start in range(0, columns, _BLOCK_COLUMNS):
            stop = min(start + _BLOCK_COLUMNS, columns)
            part = slice(start, stop + 2 * halo)
            valid = inside[0][:, None] & inside[1][None, part]
            if self.mosaic.has_nodata:
                valid &= window[:, part] != NODATA
            out[:, start:stop] = self._filter(window[:, part], valid)

    def _load(self, top: int, column0: int, rows: int, columns: int) -> npt.NDArray[np.uint8]:
        """Rows from `top` with the halo on both sides; rows held already are not read again."""
        window = np.zeros((rows, columns + 2 * self._radius), np.uint8)
        held_top, held = self._held.get((column0, columns), (0, window[:0]))
        first = max(top, 0)
        if held_top <= top < held_top + len(held):
            kept = held[top - held_top :]
            window[: len(kept)] = kept
            first = max(first, top + len(kept))
        last = min(top + rows, self.mosaic.height)
        if first < last:
            self._read_wrapped(first, column0 - self._radius, window[first - top : last - top])
        self._held[(column0, columns)] = (top, window)
        return window

    def _inside(
        self, top: int, left: int, shape: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which rows and which columns of a window lie in the mosaic."""
        row, column = top + np.arange(shape[0]), left + np.arange(shape[1])
        across = self.mosaic.wraps | ((column >= 0) & (column < self.mosaic.width))
        return (row >= 0) & (row < self.mosaic.height), across

    def _filter(
        self, window: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.uint8]:
        """High-pass the inner part of a window, (H, W) uint8 to (H - halo, W - halo) uint8."""
        inner = (slice(self._radius, -self._radius),) * 2
        if not valid[inner].any():
            return np.zeros_like(window[inner])
        weight = valid.astype(np.float32)
        blurred = self._blur(window * weight)[inner]
        if not valid.all():
            blurred /= np.maximum(self._blur(weight)[inner], np.float32(1e-6))
        lowest = 1.0 if self.mosaic.has_nodata else 0.0
        sharp = np.clip(np.rint(window[inner] - blurred + MID_GREY), lowest, 255.0)
        return np.where(valid[inner], sharp, NODATA).astype(np.uint8)

    def _blur(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        blurred: npt.NDArray[np.float32] = cv2.sepFilter2D(
            values, cv2.CV_32F, self._kernel, self._kernel, borderType=cv2.BORDER_CONSTANT
        )
        return blurred

    def _read_wrapped(self, row0: int, column0: int, out: npt.NDArray[np.uint8]) -> None:
        """Read columns that may lie beyond the edges of the mosaic."""
        width, column, end = self.mosaic.width, column0, column0 + out.shape[1]
        while column < end:
            turn = column // width
            stop = min(end, (turn + 1) * width)
            if turn == 0 or self.mosaic.wraps:
                part = np.ascontiguousarray(out[:, column - column0 : stop - column0])
                self._reader.read(row0, column - turn * width, part)
                out[:, column - column0 : stop - column0] = part
            column = stop


def filtered(reader: MosaicReader, sigma_px: float | None) -> RowReader:
    """Return the reader itself, or a high-pass filter around it where sigma is given."""
    return reader if sigma_px is None else HighpassReader(reader, sigma_px)
