"""Cut out single crops, for a served request, a dry run, a test or a notebook."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.batches import make_sites
from lunar_models.cropping.kernels.measures import MEASURES, Brightness
from lunar_models.cropping.kernels.separable import sample_crops
from lunar_models.cropping.placement import place_crops, strip_rows
from lunar_models.cropping.sun.side import sun_patterns
from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import LunarModelsError, MosaicError
from lunar_models.mosaic.highpass import filtered
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic
from lunar_models.mosaic.strips import plan_strips, stream_strips

_PLACE = ("longitude_deg", "latitude_deg", "diameter_km", "rotation_deg")


def extract_crop(
    mosaic: Mosaic | str | Path,
    *,
    longitude_deg: float,
    latitude_deg: float,
    diameter_km: float,
    context_diameters: float = 1.5,
    crop_size_px: int = 64,
    radiometry: Radiometry | None = None,
    highpass_sigma_px: float | None = None,
    rotation_deg: float = 0.0,
    min_valid_fraction: float = 0.0,
) -> npt.NDArray[np.uint8]:
    """Cut out a single crop, exactly as a crop set would hold it before alignment.

    Args:
        mosaic: an open mosaic or its path.
        longitude_deg: east positive, any turn.
        latitude_deg: in [-90, 90].
        diameter_km: of the crater.
        context_diameters: crop side / crater diameter.
        crop_size_px: S.
        radiometry: of the crop set; by default fitted on the mosaic.
        highpass_sigma_px: of the crop set.
        rotation_deg: by which the ground is turned, clockwise.
        min_valid_fraction: of the crop's pixels that must have data, 0..1.

    Returns:
        (S, S) uint8, row 0 north, column 0 west before rotation; pixels without data hold the
        others' mean.

    Raises:
        MosaicError: the mosaic is unusable, or does not show (enough of) the place.
    """
    mosaic = mosaic if isinstance(mosaic, Mosaic) else Mosaic.open(mosaic)
    radiometry = radiometry or fit_radiometry((mosaic,))
    numbers = [[longitude_deg, latitude_deg, diameter_km, rotation_deg]]
    crater = pd.DataFrame(numbers, columns=list(_PLACE), dtype=np.float64)
    place = place_crops(
        mosaic, crater, context_diameters=context_diameters, crop_size_px=crop_size_px
    )
    if place["coverage"].iloc[0] == 0.0:
        raise MosaicError(
            f"Longitude {longitude_deg}, latitude {latitude_deg} lies outside {mosaic.path}."
        )
    crops = np.empty((1, crop_size_px, crop_size_px), np.uint8)
    measures = _sample(
        mosaic, crater.join(place), crops, context_diameters, radiometry, highpass_sigma_px
    )
    if (valid := float(measures[MEASURES.index("valid_fraction")])) < min_valid_fraction:
        raise MosaicError(
            f"{mosaic.path} has data for {valid:.0%} of a crop around longitude {longitude_deg}, "
            f"latitude {latitude_deg}; {min_valid_fraction:.0%} are needed."
        )
    crop: npt.NDArray[np.uint8] = crops[0]
    return crop


def cut_out(
    config: PreprocessConfig,
    mosaics: tuple[Mosaic, ...],
    craters: pd.DataFrame,
    number: npt.NDArray[np.int64],
) -> Iterator[tuple[str, npt.NDArray[np.uint8] | LunarModelsError]]:
    """Cut out some craters of a catalogue, north up.

    Args:
        config: form of the crops.
        mosaics: on which they lie.
        craters: N rows with crater_id and place.
        number: (N,) of each crater's mosaic.

    Yields:
        N times the crater's id, and its crop (S, S) or why there is none.
    """
    radiometry = fit_radiometry(mosaics)
    crater: Any
    for n, (_, crater) in zip(number, craters.iterrows(), strict=True):
        try:
            yield (
                crater["crater_id"],
                extract_crop(
                    mosaics[int(n)],
                    longitude_deg=float(crater["longitude_deg"]),
                    latitude_deg=float(crater["latitude_deg"]),
                    diameter_km=float(crater["diameter_km"]),
                    context_diameters=config.context_diameters,
                    crop_size_px=config.crop_size_px,
                    radiometry=radiometry,
                ),
            )
        except LunarModelsError as error:
            yield crater["crater_id"], error


def _sample(
    mosaic: Mosaic,
    place: pd.DataFrame,
    crops: npt.NDArray[np.uint8],
    context_diameters: float,
    radiometry: Radiometry,
    highpass_sigma_px: float | None,
) -> npt.NDArray[np.float32]:
    """Fill (1, S, S) `crops` with the crater of one row; return its `MEASURES`."""
    measures = np.empty((1, len(MEASURES)), np.float32)
    window = {name: place[name].to_numpy() for name in ("top", "bottom", "left", "right", "level")}
    height = strip_rows(place["level"])
    strip_plan = plan_strips(mosaic, **window, strip_rows=height)
    strip = int(place["bottom"].iloc[0]) // height
    with mosaic.reader(radiometry) as reader:
        rows = filtered(reader, highpass_sigma_px)
        for _, strips in stream_strips(mosaic, rows, strip_plan, [strip]):
            sample_crops(
                strips[-1],
                mosaic.projection,
                make_sites(place),
                sun_patterns(crops.shape[-1], context_diameters),
                Brightness(np.float32(radiometry.black_level), np.float32(0.0)),
                crops,
                measures,
            )
    found: npt.NDArray[np.float32] = measures[0]
    return found
