"""Define the parameters of the preprocess step: from mosaic and catalogue to a crop set."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.config.columns import parse_columns
from lunar_models.errors import ConfigError

Illumination = Literal["auto", "east", "west", "azimuth", "sub_solar", "none"]


class PreprocessConfig(StepConfig):
    """How craters are cut out of a mosaic."""

    mosaic: tuple[str, ...] = param(
        help="Lunar mosaics; each crater is cut from the one that covers it best.",
        role="input",
    )
    catalogue: str = param(
        help="Crater table: CSV, Excel, Parquet, GeoParquet, GeoPackage, Shapefile or CraterStats.",
        role="input",
    )
    output: str = param("data/crops", help="Output folder of the crop set.", role="output")
    columns: str | None = param(
        None,
        help="Columns of any other table, as crater_id=NAME,longitude_deg=NAME,latitude_deg=NAME,"
        "diameter_km=NAME (or diameter_m).",
    )
    band: int | None = param(
        None,
        help="Band of the mosaics that holds brightness, from 1; none: the only one, or grey of "
        "red, green and blue.",
        minimum=1,
    )
    crs: str | None = param(
        None,
        help="Reference system of the mosaics in place of the one they state, such as "
        "IAU_2015:30110 or WKT.",
    )
    shade: str | None = param(
        None,
        help="Hillshade elevation models with the Sun at AZIMUTH,INCIDENCE degrees (clockwise from "
        "north, from the zenith), such as 90,65; with ,m or ,km where the unit is not stated.",
    )
    crop_size_px: int = param(64, help="Side length of a crop.", unit="px", minimum=8, maximum=1024)
    context_diameters: float = param(
        1.5, help="Side length of a crop in crater diameters.", minimum=0.5, maximum=10.0
    )
    diameter_min_km: float | None = param(
        1.0, help="Minimum diameter.", unit="km", minimum=0.0, maximum=3474.8
    )
    diameter_max_km: float | None = param(
        None, help="Maximum diameter.", unit="km", minimum=0.0, maximum=3474.8
    )
    latitude_min_deg: float | None = param(
        None, help="Minimum latitude.", unit="deg", minimum=-90.0, maximum=90.0
    )
    latitude_max_deg: float | None = param(
        None, help="Maximum latitude.", unit="deg", minimum=-90.0, maximum=90.0
    )
    longitude_min_deg: float | None = param(
        None, help="Western limit of longitude.", unit="deg", minimum=-180.0, maximum=360.0
    )
    longitude_max_deg: float | None = param(
        None,
        help="Eastern limit of longitude; if west of the western limit, the range spans "
        "the antimeridian.",
        unit="deg",
        minimum=-180.0,
        maximum=360.0,
    )
    limit: int | None = param(None, help="Maximum number of craters, drawn at random.", minimum=1)
    seed: int = param(0, help="Random seed of the draw and of the splits.", minimum=0)
    illumination: Illumination = param(
        "auto",
        help="Direction of the Sun: auto finds its azimuth in the crops; east or west throughout; "
        "azimuth or sub_solar as given by the next parameters or by columns of the catalogue; "
        "none leaves the crops as they are.",
    )
    sun_azimuth_deg: float | None = param(
        None,
        help="Azimuth of the Sun for all crops, clockwise from north; none: the column "
        "sun_azimuth_deg of the catalogue.",
        unit="deg",
        minimum=0.0,
        maximum=360.0,
    )
    sun_azimuth_map: str | None = param(
        None,
        help="Raster of the Sun's azimuth in degrees, or polygons with a column sun_azimuth_deg.",
        role="input",
    )
    sub_solar_longitude_deg: float | None = param(
        None,
        help="Longitude of the sub-solar point for all crops; none: the column of that name.",
        unit="deg",
        minimum=-180.0,
        maximum=360.0,
    )
    sub_solar_latitude_deg: float | None = param(
        None,
        help="Latitude of the sub-solar point for all crops; none: the column of that name.",
        unit="deg",
        minimum=-2.0,
        maximum=2.0,
    )
    acquisition_time: str | None = param(
        None,
        help="UTC time of the image, such as 2009-11-29T14:51:21, in place of the sub-solar point; "
        "none: the column of that name.",
    )
    incidence_deg: float | None = param(
        None,
        help="Incidence angle for all crops; none: the column incidence_deg of the catalogue, the "
        "sub-solar point, or an estimate from azimuth and latitude.",
        unit="deg",
        minimum=0.0,
        maximum=90.0,
    )
    normalisation: Literal["ratio", "global", "zscore", "minmax"] = param(
        "ratio", help="Brightness normalisation; its constants are frozen with the crop set."
    )
    highpass_sigma_px: float | None = param(
        None,
        help="Standard deviation of a Gaussian high-pass filter applied to the mosaic "
        "first; none skips it.",
        unit="px",
        minimum=1.0,
        maximum=200.0,
    )
    block_deg: float | None = param(
        None,
        help="Side length of the spatial blocks held out together; none: 4, less on small maps. "
        "Give it where the splits of several crop sets must agree.",
        unit="deg",
        minimum=0.01,
        maximum=90.0,
    )
    validation_fraction: float = param(
        0.1, help="Fraction of the blocks used for validation.", minimum=0.0, maximum=0.9
    )
    test_fraction: float = param(
        0.1, help="Fraction of the blocks used for testing.", minimum=0.0, maximum=0.9
    )
    min_native_px: float = param(
        8.0, help="Minimum number of mosaic pixels across a crop.", unit="px", minimum=1.0
    )
    min_valid_fraction: float = param(
        0.8, help="Minimum fraction of valid pixels.", minimum=0.0, maximum=1.0
    )
    max_shadow_fraction: float = param(
        0.5, help="Maximum fraction of pixels in shadow.", minimum=0.0, maximum=1.0
    )
    max_saturated_fraction: float = param(
        0.25, help="Maximum fraction of saturated pixels.", minimum=0.0, maximum=1.0
    )
    min_contrast: float = param(
        0.01,
        help="Minimum ratio of the standard deviation of brightness to its mean.",
        minimum=0.0,
        maximum=1.0,
    )
    max_overlap_larger: float = param(
        1.0,
        help="Maximum fraction of the crater area inside larger craters.",
        minimum=0.0,
        maximum=1.0,
    )
    workers: int | None = param(
        None, help="Number of sampling threads; none: one per core.", minimum=1, role="runtime"
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if not self.mosaic:
            raise ConfigError("mosaic is empty; give at least one map raster.")
        if self.validation_fraction + self.test_fraction >= 1.0:
            raise ConfigError(
                f"validation_fraction={self.validation_fraction} and "
                f"test_fraction={self.test_fraction} leave nothing to train on; "
                "choose a sum below 1."
            )
        self._check_sun()
        self._check_order("diameter_min_km", "diameter_max_km")
        self._check_order("latitude_min_deg", "latitude_max_deg")
        return self

    def _check_sun(self) -> None:
        given = {
            "azimuth": ("sun_azimuth_deg", "sun_azimuth_map"),
            "sub_solar": ("sub_solar_longitude_deg", "sub_solar_latitude_deg", "acquisition_time"),
        }
        for name, parameters in given.items():
            named = [p for p in parameters if getattr(self, p) is not None]
            if named and self.illumination != name:
                raise ConfigError(
                    f"{named[0]} is given, but illumination={self.illumination}; "
                    f"set illumination={name} too."
                )
            if len(named) > 1 and {"sun_azimuth_map", "acquisition_time"} & set(named):
                raise ConfigError(f"{named[0]} and {named[-1]} exclude each other.")

    def _check_order(self, low: str, high: str) -> None:
        least, most = getattr(self, low), getattr(self, high)
        if least is not None and most is not None and least > most:
            raise ConfigError(f"{low}={least} is above {high}={most}; swap them.")

    @property
    def column_names(self) -> dict[str, str] | None:
        """`columns` as a mapping from our names to the table's; None when not given.

        Raises:
            ConfigError: it is not a list of NAME=NAME.
        """
        return parse_columns(self.columns)
