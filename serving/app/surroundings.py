"""Cut the surroundings of craters out of a mosaic, turned as the crops are."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from lunar_models.cropping.single import extract_crop
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.display import display_crop
from lunar_models.errors import CropSetError, MosaicError
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic
from serving.app.problems import Problem

CONTEXT_DIAMETERS = 3.0
_SIDE_PX = 256
_MOST_PX = 800
_THREADS = 1
_MOST_WAITING = 64


class Surroundings:
    """Pictures of the craters of a crop set, cut out of a mosaic.

    Raises:
        MosaicError: the mosaic cannot be used.
        CropSetError: the crops do not say where on the Moon they lie.
    """

    def __init__(self, path: str, crop_set: CropSet) -> None:
        self._mosaic = Mosaic.open(path)
        self._radiometry = fit_radiometry((self._mosaic,))
        self._metadata = crop_set.metadata
        self._crop_px = crop_set.info.crop_size_px
        self._crop_diameters = crop_set.info.context_diameters
        if self._metadata["longitude_deg"].isna().any():
            raise CropSetError(
                f"{crop_set.path} has crops without a place on the Moon; start without --mosaic."
            )
        self._pool = ThreadPoolExecutor(_THREADS, "surroundings")
        self._waiting = 0

    async def around(self, row: int) -> bytes:
        """Return a crop and its surroundings as PNG, 3 diameters wide, stretched for display.

        Raises:
            Problem: 404 outside the mosaic, 503 when too many requests wait.
        """
        return await self._picture(row, CONTEXT_DIAMETERS, _SIDE_PX)

    async def detailed(self, row: int) -> bytes:
        """Return what a crop shows, as PNG with all the pixels that the mosaic has there."""
        side = min(int(np.ceil(self._metadata["native_px"].iloc[row])), _MOST_PX)
        return await self._picture(row, self._crop_diameters, max(side, self._crop_px))

    def is_finer(self, row: int) -> bool:
        """Return whether the mosaic shows more than the crop."""
        return bool(self._metadata["native_px"].iloc[row] > 1.05 * self._crop_px)

    async def _picture(self, row: int, context_diameters: float, side_px: int) -> bytes:
        if self._waiting >= _MOST_WAITING:
            raise Problem(
                503,
                "busy",
                "Too many positions are being looked up; try again.",
                {"retry-after": "1"},
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, self._cut, row, context_diameters, side_px
            )
        except MosaicError as error:
            raise Problem(404, "not_in_mosaic", "The mosaic does not show this place.") from error
        finally:
            self._waiting -= 1

    def _cut(self, row: int, context_diameters: float, side_px: int) -> bytes:
        crater = self._metadata.iloc[row]
        picture = extract_crop(
            self._mosaic,
            longitude_deg=float(crater["longitude_deg"]),
            latitude_deg=float(crater["latitude_deg"]),
            diameter_km=float(crater["diameter_km"]),
            context_diameters=context_diameters,
            crop_size_px=side_px,
            radiometry=self._radiometry,
            rotation_deg=float(crater["rotation_deg"]),
        )
        if crater["flipped"]:
            picture = np.ascontiguousarray(picture[:, ::-1])
        stream = io.BytesIO()
        Image.fromarray(display_crop(picture)).save(stream, "PNG", compress_level=1)
        return stream.getvalue()
