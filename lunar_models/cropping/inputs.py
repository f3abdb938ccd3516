"""Open mosaics and read the catalogue together: what one of them is may depend on the other."""

from pathlib import Path
from typing import Any

import pandas as pd

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.catalogue.table import read_catalogue
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.errors import ConfigError, MosaicError, UnplacedError
from lunar_models.mosaic.picture import (
    MOST_PICTURES,
    PIXEL_COLUMNS,
    match_pictures,
    pixels_to_places,
)
from lunar_models.mosaic.raster import Mosaic

_LIMITS = (
    "diameter_min_km",
    "diameter_max_km",
    "latitude_min_deg",
    "latitude_max_deg",
    "longitude_min_deg",
    "longitude_max_deg",
)


def open_mosaics(config: PreprocessConfig) -> tuple[Mosaic, ...]:
    """Open the mosaics as the parameters say.

    Images without a place on the Moon are opened where the catalogue gives craters in pixels.

    Raises:
        ConfigError: `shade` is not understood.
        MosaicError: a mosaic is unusable.
    """
    reading: dict[str, Any] = {"band": config.band, "crs": config.crs, "shade": config.shade}
    try:
        return tuple(Mosaic.open(path, **reading) for path in config.mosaic)
    except UnplacedError:
        if not understand_catalogue(Path(config.catalogue), config.column_names).pixels:
            raise
    if len(config.mosaic) > MOST_PICTURES:
        raise MosaicError(
            f"{len(config.mosaic)} images are too many; give {MOST_PICTURES} at most."
        )
    return tuple(
        Mosaic.open(path, picture=number, **reading) for number, path in enumerate(config.mosaic)
    )


def read_craters(
    config: PreprocessConfig, mosaics: tuple[Mosaic, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the catalogue; craters in pixels of an image get places (`picture.py`).

    Returns:
        What `read_catalogue` returns: usable rows, and rejected ones.

    Raises:
        CatalogueError: unusable, or it does not say in which image its craters lie.
        MosaicError: some of the images have a georeference and others do not.
    """
    catalogue, rejected = read_catalogue(config.catalogue, columns=config.column_names)
    unplaced = [mosaic.path for mosaic in mosaics if not mosaic.placed]
    if "x_px" not in catalogue:
        return catalogue, rejected
    if 0 < len(unplaced) < len(mosaics):
        raise MosaicError(
            f"Of the images, only {unplaced[0]} has no georeference; preprocess it in a run of "
            "its own."
        )
    names = [Path(mosaic.path).name for mosaic in mosaics]
    picture = match_pictures(catalogue, names, config.catalogue)
    lost = (picture < 0).to_numpy()
    reason = pd.DataFrame({"crater_id": catalogue["crater_id"], "reason": "its image is not given"})
    projections = tuple(mosaic.projection for mosaic in mosaics)
    placed = pixels_to_places(
        catalogue[~lost].reset_index(drop=True), picture[~lost].reset_index(drop=True), projections
    )
    if not unplaced:  # maps: the places are real, and all that is needed
        placed = placed.drop(columns=[*PIXEL_COLUMNS, "image"], errors="ignore")
    return placed, pd.concat([rejected, reason[lost]], ignore_index=True)


def filter_limits(config: PreprocessConfig, *, pixels: bool) -> dict[str, Any]:
    """Bounds of diameter and place for `filter_catalogue`; pixels have neither.

    Raises:
        ConfigError: bounds were given for craters whose size and place are unknown.
    """
    limits = {name: getattr(config, name) for name in _LIMITS}
    if not pixels:
        return limits
    given = [name for name, value in limits.items() if value is not None]
    if [name for name in given if name != "diameter_min_km"]:
        raise ConfigError(
            f"{', '.join(given)}: the images have no georeference, so diameters in km and places "
            "are unknown; leave the limits out and use min_native_px."
        )
    return {}
