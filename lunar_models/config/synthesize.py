"""Define the parameters of the synthesize step."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.errors import ConfigError


class SynthesizeConfig(StepConfig):
    """Size, crater population and illumination of a synthetic Moon.

    Raises:
        ConfigError: a value outside its limits, a minimum above its maximum, or a mosaic that
            reaches a pole or whose smallest craters span fewer than 4 pixels.
    """

    output: str = param(
        "data/moon", help="Output folder of the mosaic, the catalogue and the truth.", role="output"
    )
    width_px: int = param(3000, help="Width of the mosaic.", unit="px", minimum=200, maximum=40_000)
    height_px: int = param(
        3000, help="Height of the mosaic.", unit="px", minimum=200, maximum=40_000
    )
    pixel_size_m: float = param(100.0, help="Pixel size.", unit="m", minimum=1, maximum=2000)
    projection: Literal["equirectangular", "north_polar", "south_polar"] = param(
        "equirectangular", help="Map projection; a polar mosaic is centred on its pole."
    )
    longitude_deg: float = param(
        -25.0,
        help="East longitude of an equirectangular mosaic's centre.",
        unit="deg",
        minimum=-180,
        maximum=180,
    )
    latitude_deg: float = param(
        15.0,
        help="Latitude of an equirectangular mosaic's centre.",
        unit="deg",
        minimum=-80,
        maximum=80,
    )
    crater_count: int = param(
        2500, help="Number of craters in the catalogue.", minimum=1, maximum=50_000
    )
    diameter_min_km: float = param(
        1.0, help="Minimum diameter in the catalogue.", unit="km", minimum=0.01, maximum=100
    )
    diameter_max_km: float = param(
        10.0, help="Maximum diameter.", unit="km", minimum=0.01, maximum=100
    )
    size_slope: float = param(
        -2.5, help="Slope of the cumulative size distribution.", minimum=-4, maximum=-1
    )
    seam_bands: int = param(
        4,
        help="Number of longitude bands (sectors around a pole), each lit by a Sun of its own.",
        minimum=1,
        maximum=100,
    )
    sun_azimuth_deg: float | None = param(
        None,
        help="Azimuth of the Sun in the first band, mirrored in every other one; in a polar mosaic "
        "the direction on the map, which turns from sector to sector. none: east.",
        unit="deg",
        minimum=0,
        maximum=360,
    )
    incidence_min_deg: float = param(
        55.0, help="Minimum incidence angle of a band.", unit="deg", minimum=10, maximum=85
    )
    incidence_max_deg: float = param(
        75.0, help="Maximum incidence angle of a band.", unit="deg", minimum=10, maximum=85
    )
    relief_slope_deg: float = param(
        3.0, help="RMS slope of the uncratered relief.", unit="deg", minimum=0, maximum=15
    )
    albedo_contrast: float = param(
        0.25, help="RMS variation of the albedo, relative to its mean.", minimum=0, maximum=0.5
    )
    noise_dn: float = param(
        1.5, help="RMS noise of the camera.", unit="grey levels", minimum=0, maximum=50
    )
    seed: int = param(0, help="Random seed; equal seeds give equal bytes.", minimum=0)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        for low, high in (
            ("diameter_min_km", "diameter_max_km"),
            ("incidence_min_deg", "incidence_max_deg"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(
                    f"{low}={getattr(self, low)} is above {high}={getattr(self, high)}; swap them."
                )
        if self.diameter_min_km * 1000 < 4 * self.pixel_size_m:
            raise ConfigError(
                f"diameter_min_km={self.diameter_min_km} is under 4 pixels of "
                f"{self.pixel_size_m} m; use larger craters or smaller pixels."
            )
        if self.projection != "equirectangular":
            return self
        half_height_deg = self.height_px * self.pixel_size_m / 2 / 30_323  # one degree in m
        if abs(self.latitude_deg) + half_height_deg > 85:
            raise ConfigError(
                f"latitude_deg={self.latitude_deg} puts an edge of the mosaic beyond 85 deg "
                f"({half_height_deg:.1f} deg further on); stay away from the poles."
            )
        return self
