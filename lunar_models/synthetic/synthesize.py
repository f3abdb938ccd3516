"""Make a synthetic Moon with known truth: craters of known degradation, relief, seams, shadows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio
from rasterio.crs import CRS

from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.degradation.crater_shape import depth_over_diameter, state_of
from lunar_models.errors import ConfigError
from lunar_models.moon import LUNAR_EQUIRECTANGULAR
from lunar_models.synthetic.frame import MapFrame
from lunar_models.synthetic.population import Craters, catalogued_craters, uncatalogued_craters
from lunar_models.synthetic.relief import albedo, elevation
from lunar_models.synthetic.render import Scene, draw_scenes, render, scene_at

LUNAR_CRS = {0: LUNAR_EQUIRECTANGULAR, 1: "IAU_2015:30130", -1: "IAU_2015:30135"}
"""Equirectangular and polar stereographic, by `MapFrame.pole`."""


@dataclass(frozen=True)
class SyntheticMoon:
    """The files of a synthetic Moon."""

    mosaic_path: Path
    """GeoTIFF, uint8, lunar equirectangular or polar stereographic."""
    catalogue_path: Path
    """CSV with Robbins' column names, longitudes 0-360."""
    truth_path: Path
    """CSV: CRATER_ID, k_over_r2, state, d_over_d, sun_azimuth_deg, sun_side, incidence_deg."""


def synthesize(config: SynthesizeConfig) -> SyntheticMoon:
    """Make a synthetic Moon and write it; the same parameters give the same bytes.

    Raises:
        ConfigError: the craters do not fit, or the folder cannot be written.
    """
    frame = MapFrame.of(config)
    # one stream each, so that a change to one part leaves the others as they are
    places, small, relief, bright, sun, noise = np.random.default_rng(config.seed).spawn(6)
    catalogued = catalogued_craters(places, config, frame)
    craters = _oldest_first(catalogued, uncatalogued_craters(small, config, frame))
    scenes = draw_scenes(sun, config)
    picture = render(
        noise,
        elevation(relief, craters, frame, relief_slope_deg=config.relief_slope_deg),
        albedo(bright, craters, frame, contrast=config.albedo_contrast),
        scenes,
        frame,
        noise_dn=config.noise_dn,
    )
    return _write(Path(config.output), picture, catalogued, scenes, frame)


def _oldest_first(*groups: Craters) -> Craters:
    together = Craters(*map(np.concatenate, zip(*(vars(g).values() for g in groups), strict=True)))
    return together.take(np.argsort(-together.k_over_r2, kind="stable"))


def _write(
    folder: Path,
    picture: npt.NDArray[np.uint8],
    craters: Craters,
    scenes: list[Scene],
    frame: MapFrame,
) -> SyntheticMoon:
    moon = SyntheticMoon(folder / "mosaic.tif", folder / "robbins.csv", folder / "truth.csv")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_mosaic(moon.mosaic_path, picture, frame)
        _catalogue(craters, frame).to_csv(moon.catalogue_path, index=False)
        _truth(craters, scenes, frame).to_csv(moon.truth_path, index=False)
    except OSError as error:
        raise ConfigError(
            f"output={folder} cannot be written ({error}); choose another."
        ) from error
    return moon


def _write_mosaic(path: Path, picture: npt.NDArray[np.uint8], frame: MapFrame) -> None:
    pixel = frame.pixel_size_m
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=frame.width_px,
        height=frame.height_px,
        count=1,
        dtype="uint8",
        nodata=0,
        crs=CRS.from_string(LUNAR_CRS[frame.pole]),
        transform=rasterio.Affine(pixel, 0, frame.left_m, 0, -pixel, frame.top_m),
        tiled=True,
        blockxsize=256,
        blockysize=256,
        compress="deflate",
        predictor=2,
    ) as mosaic:
        mosaic.write(picture, 1)


def _identifiers(craters: Craters) -> list[str]:
    return [f"SM-1-{number:06d}" for number in range(1, len(craters) + 1)]


def _catalogue(craters: Craters, frame: MapFrame) -> pd.DataFrame:
    longitude, latitude = np.rad2deg(frame.place_rad(craters.x_px, craters.y_px))
    return pd.DataFrame(
        {
            "CRATER_ID": _identifiers(craters),
            "LAT_CIRC_IMG": latitude.round(6),
            "LON_CIRC_IMG": longitude.round(6) % 360,
            "DIAM_CIRC_IMG": (craters.diameter_m / 1000).round(5),
        }
    )


def _truth(craters: Craters, scenes: list[Scene], frame: MapFrame) -> pd.DataFrame:
    shown = scene_at(frame, len(scenes), craters.x_px, craters.y_px)
    longitude, _ = frame.place_rad(craters.x_px, craters.y_px)
    azimuth = frame.azimuth_deg([scenes[n].map_azimuth_deg for n in shown], longitude).round(3)
    return pd.DataFrame(
        {
            "CRATER_ID": _identifiers(craters),
            "k_over_r2": craters.k_over_r2.round(6),
            "state": state_of(craters.k_over_r2.round(6)),
            "d_over_d": depth_over_diameter(craters.k_over_r2).round(5),
            "sun_azimuth_deg": azimuth,
            "sun_side": np.where((azimuth > 0) & (azimuth <= 180), "east", "west"),
            "incidence_deg": [scenes[n].incidence_deg for n in shown],
        }
    )
