"""Read images without georeference, each on a small map of its own.

The crop engine cuts on a sphere. A picture is laid on the equator, so small that the sphere is flat
within a hundredth of a pixel across a crop, and the next one beside it. These places are never
shown: crop sets hold pixels instead, and longitude, latitude and diameter in km are unknown.
"""

import numpy as np
import pandas as pd

from lunar_models.errors import CatalogueError
from lunar_models.moon import MOON_RADIUS_KM
from lunar_models.mosaic.projection import Projection

SPAN = 0.02
"""Radians that the longer side of a picture takes."""
_STEP = 1.1 * SPAN
MOST_PICTURES = 127

PIXEL_COLUMNS = ("x_px", "y_px", "diameter_px")


def picture_projection(width: int, height: int, number: int) -> Projection:
    """Return the map on which picture `number` of a crop set lies, its middle on the equator."""
    scale = max(width, height) / SPAN
    return Projection(
        pole=0,
        mercator=False,
        lon0=(number - MOST_PICTURES // 2) * _STEP,
        x0=(width - 1) / 2.0,
        kx=scale,
        y0=(height - 1) / 2.0,
        ky=-scale,
    )


def pixels_to_places(
    craters: pd.DataFrame, picture: "pd.Series[int]", projections: tuple[Projection, ...]
) -> pd.DataFrame:
    """Add longitude_deg, latitude_deg and diameter_km to craters in pixels.

    Args:
        craters: x_px and y_px from the upper left corner of the image, whose first pixel spans 0
            to 1, and diameter_px.
        picture: of each crater.
        projections: of the images.

    Returns:
        The craters with the three columns; true ones where the image is a map of the Moon. Where
        its pixels are not square, the diameter is that of the circle of equal area.
    """
    placed = craters.assign(longitude_deg=np.nan, latitude_deg=np.nan, diameter_km=np.nan)
    for number in sorted(set(picture)):
        chosen = (picture == number).to_numpy()
        projection = projections[number]
        longitude, latitude = projection.to_degrees(
            column_px=craters["x_px"][chosen].to_numpy() - 0.5,
            row_px=craters["y_px"][chosen].to_numpy() - 0.5,
        )
        scale = np.sqrt(np.prod(projection.scale_px(latitude), axis=0))
        placed.loc[chosen, "longitude_deg"] = longitude
        placed.loc[chosen, "latitude_deg"] = latitude
        placed.loc[chosen, "diameter_km"] = (
            craters["diameter_px"][chosen].to_numpy() / scale * MOON_RADIUS_KM
        )
    return placed


def match_pictures(craters: pd.DataFrame, names: list[str], catalogue: str) -> "pd.Series[int]":
    """Match each crater to its picture by the column ``image``; -1 where it is none of them.

    Args:
        craters: with the column image, unless there is one picture only.
        names: file names of the pictures.
        catalogue: how error messages call the table.

    Raises:
        CatalogueError: several pictures, and no column says which; or no crater is in any.
    """
    if "image" not in craters:
        if len(names) > 1:
            raise CatalogueError(
                f"{catalogue} does not say in which of {len(names)} images its craters lie; add a "
                "column image with their file names."
            )
        return pd.Series(0, index=craters.index)
    numbers = {name: n for n, name in reversed(list(enumerate(names)))}
    numbers |= {name.rsplit(".", 1)[0]: n for name, n in numbers.items()}
    asked = craters["image"].str.replace("\\", "/", regex=False).str.rsplit("/", n=1).str[-1]
    stem = asked.str.replace(r"\.\w+$", "", regex=True)
    found = asked.map(numbers).fillna(stem.map(numbers)).fillna(-1).astype(int)
    if (found < 0).all():
        raise CatalogueError(
            f"{catalogue} names images such as {craters['image'].iloc[0]}, none of which is given: "
            f"{', '.join(names[:5])}."
        )
    return found
