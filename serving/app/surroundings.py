"""Cut the surroundings of craters out of a mosaic, turned as the crops are."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lunar_models.cropping.single import extract_crop
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.display import display_alike, display_crop
from lunar_models.errors import CropSetError, MosaicError
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic
from serving.app.problems import Problem

CONTEXT_DIAMETERS = 3.0
_MIN_VALID_FRACTION = 0.6
"""Of the surroundings: a picture that is mostly empty shows nothing new."""
_SIDE_PX = 256
_MOST_PX = 800
_THREADS = 1
_MOST_WAITING = 64


@dataclass(frozen=True)
class _View:
    """How a picture is cut out: its width, its side, the data it needs, and its stretch."""

    context_diameters: float
    side_px: int
    min_valid_fraction: float = 0.0
    relative_range: tuple[float, float] | None = None


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
            Problem: 404 where the mosaic has too little, 503 when too many requests wait.
        """
        return await self._picture(row, _View(CONTEXT_DIAMETERS, _SIDE_PX, _MIN_VALID_FRACTION))

    async def detailed(self, row: int, relative_range: tuple[float, float] | None = None) -> bytes:
        """Return what a crop shows, as PNG with all the pixels that the mosaic has there.

        Args:
            row: of the crop set.
            relative_range: of `display_alike`; by default each picture has its own stretch.
        """
        side = min(int(np.ceil(self._metadata["native_px"].iloc[row])), _MOST_PX)
        view = _View(self._crop_diameters, max(side, self._crop_px), relative_range=relative_range)
        return await self._picture(row, view)

    def is_finer(self, row: int) -> bool:
        """Return whether the mosaic shows more than the crop."""
        return bool(self._metadata["native_px"].iloc[row] > 1.05 * self._crop_px)

    async def _picture(self, row: int, view: _View) -> bytes:
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
                self._pool, self._cut, row, view
            )
        except MosaicError as error:
            raise Problem(404, "not_in_mosaic", "The mosaic does not show this place.") from error
        finally:
            self._waiting -= 1

    def _cut(self, row: int, view: _View) -> bytes:
        crater = self._metadata.iloc[row]
        picture = extract_crop(
            self._mosaic,
            longitude_deg=float(crater["longitude_deg"]),
            latitude_deg=float(crater["latitude_deg"]),
            diameter_km=float(crater["diameter_km"]),
            context_diameters=view.context_diameters,
            crop_size_px=view.side_px,
            radiometry=self._radiometry,
            rotation_deg=float(crater["rotation_deg"]),
            min_valid_fraction=view.min_valid_fraction,
        )
        if crater["flipped"]:
            picture = np.ascontiguousarray(picture[:, ::-1])
        limits = view.relative_range
        shown = display_alike(picture, limits) if limits else display_crop(picture)
        stream = io.BytesIO()
        Image.fromarray(shown).save(stream, "PNG", compress_level=1)
        return stream.getvalue()
