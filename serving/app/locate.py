"""Cut craters out of the configured mosaic, and show the whole of it."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lunar_models.cropping.single import extract_crop
from lunar_models.cropping.sun.azimuth import azimuth_evidence, own_azimuth
from lunar_models.cropping.sun.estimation import LEAST_CONFIDENCE
from lunar_models.cropping.sun.geometry import incidence_from_azimuth, orientation
from lunar_models.crops.crop_set import Radiometry
from lunar_models.encoders.checkpoint import Checkpoint, reading_of
from lunar_models.errors import MosaicError
from lunar_models.mosaic.brightness import brightness_to_uint8
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic
from lunar_models.tangent_plane import half_side
from serving.app.problems import Problem
from serving.model.schema import QualityWarning

_OVERVIEW_PX = 2048
_THREADS = 2
_MOST_WAITING = 32


class Locator:
    """A mosaic that answers where requests ask.

    Args:
        path: of the mosaic.
        reading: band, crs and shade, as `Mosaic.open` takes them.

    Raises:
        ConfigError: `shade` is not understood.
        MosaicError: the mosaic cannot be used.
    """

    def __init__(self, path: str, **reading: Any) -> None:
        self._mosaic = Mosaic.open(path, **reading)
        self._reading = reading_of(reading)
        self._radiometry = fit_radiometry((self._mosaic,))
        self._pool = ThreadPoolExecutor(_THREADS, "locate")
        self._waiting = 0

    async def crop(
        self,
        checkpoint: Checkpoint,
        *,
        longitude_deg: float,
        latitude_deg: float,
        diameter_km: float,
    ) -> tuple[npt.NDArray[np.uint8], dict[str, float]]:
        """Crop around a place, as the encoder's crop set would hold it before mirroring.

        If the crops of that set were turned, this one is, by what it shows of the Sun. The mosaic
        is filtered as for the crop set, and its brightness scaled alike if it has the same pixel
        type.

        Returns:
            (S, S) uint8, and what is known of the crater, by quantity
            (`training_domain.QUANTITIES`).

        Raises:
            Problem: 404 outside the mosaic, 503 when too many requests wait for it.
        """
        radiometry = self._radiometry_for(checkpoint)

        def extract(rotation_deg: float = 0.0) -> npt.NDArray[np.uint8]:
            return extract_crop(
                self._mosaic,
                longitude_deg=longitude_deg,
                latitude_deg=latitude_deg,
                diameter_km=diameter_km,
                context_diameters=checkpoint.context_diameters,
                crop_size_px=checkpoint.encoder.crop_size_px,
                radiometry=radiometry,
                highpass_sigma_px=checkpoint.highpass_sigma_px,
                rotation_deg=rotation_deg,
            )

        def extract_aligned() -> tuple[npt.NDArray[np.uint8], float]:
            crop = extract()
            rotation_deg, incidence_deg = _sun_of(crop, checkpoint, latitude_deg)
            return (extract(rotation_deg) if rotation_deg else crop), incidence_deg

        try:
            crop, incidence_deg = await self._run(extract_aligned)
        except MosaicError as error:
            raise Problem(404, "not_in_mosaic", "The mosaic does not show this place.") from error
        across = 2.0 * half_side(np.asarray(diameter_km), checkpoint.context_diameters)
        native_px = float(across) * self._scale_px(latitude_deg)
        known = {"native_px": native_px, "diameter_km": diameter_km}
        if self._mosaic.sun is not None:
            incidence_deg = self._mosaic.sun.incidence_deg
        if np.isfinite(incidence_deg):
            known["incidence_deg"] = incidence_deg
        return crop, known

    def _scale_px(self, latitude_deg: float) -> float:
        """Return the mosaic's pixels per radian of arc, along its coarser axis."""
        return min(float(axis) for axis in self._mosaic.projection.scale_px(latitude_deg))

    def _radiometry_for(self, checkpoint: Checkpoint) -> Radiometry:
        """Return how brightness becomes uint8: as in the crop set if pixel types agree."""
        like_here = checkpoint.radiometry.source_dtype == self._radiometry.source_dtype
        return checkpoint.radiometry if like_here else self._radiometry

    def warnings(self, checkpoint: Checkpoint) -> list[QualityWarning]:
        """Tell if the crops of the encoder came from a mosaic that was read in another way."""
        given, here = checkpoint.reading, self._reading

        def told(names: list[str]) -> str:
            return "; ".join(
                f"{name}={given.get(name, 'none')}, here {name}={here.get(name, 'none')}"
                for name in names
            )

        found = []
        if other := [name for name in ("band", "shade") if given.get(name) != here.get(name)]:
            message = (
                f"The model was trained on a mosaic that was read in another way: {told(other)}."
            )
            found.append(QualityWarning(code="other_mosaic", message=message))
        if "crs" in given and "crs" in here and given["crs"] != here["crs"]:  # else a file's own
            message = f"The mosaic of the training crops was placed otherwise: {told(['crs'])}."
            found.append(QualityWarning(code="other_crs", message=message))
        return found

    async def _run(self, function: Callable[[], Any]) -> Any:
        if self._waiting >= _MOST_WAITING:
            raise Problem(
                503,
                "busy",
                "Too many positions are being looked up; try again.",
                {"retry-after": "1"},
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        finally:
            self._waiting -= 1

    @property
    def bounds_deg(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of the overview; None where it has no straight edges."""
        p = self._mosaic.projection
        if p.pole or p.mercator:
            return None
        west, east = (
            np.degrees(p.lon0 + (x - p.x0) / p.kx) for x in (-0.5, self._mosaic.width - 0.5)
        )
        north, south = (np.degrees((y - p.y0) / p.ky) for y in (-0.5, self._mosaic.height - 0.5))
        return float(west), float(south), float(east), float(north)

    async def overview(self) -> bytes:
        """Return the whole mosaic as a JPEG of at most 2048 px a side."""
        picture: bytes = await self._run(lambda: self._overview)
        return picture

    @cached_property
    def _overview(self) -> bytes:
        shrink = max(self._mosaic.width, self._mosaic.height) / _OVERVIEW_PX
        sides = (self._mosaic.height, self._mosaic.width)
        height, width = (max(1, round(side / max(shrink, 1.0))) for side in sides)
        brightness = self._mosaic.thin((height, width), average=True)
        stream = io.BytesIO()
        picture = brightness_to_uint8(brightness, self._radiometry, lowest=0.0)
        Image.fromarray(picture).save(stream, "JPEG", quality=82)
        return stream.getvalue()


def _sun_of(
    crop: npt.NDArray[np.uint8], checkpoint: Checkpoint, latitude_deg: float
) -> tuple[float, float]:
    """By how much a crop is turned, 0 if not, and the Sun's incidence, NaN where unknown.

    Only encoders that know turned crops ask for either.
    """
    if checkpoint.alignment != "azimuth":
        return 0.0, np.nan
    evidence = azimuth_evidence(crop[None], context_diameters=checkpoint.context_diameters)
    found = own_azimuth(evidence)
    azimuth = np.where(found.confidence >= LEAST_CONFIDENCE, found.azimuth_deg, np.nan)
    rotation, _ = orientation(azimuth)
    latitude = np.array([latitude_deg])
    incidence = incidence_from_azimuth(azimuth, found.std_deg, latitude)
    return float(rotation[0]), float(incidence[0])
