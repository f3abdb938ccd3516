"""Define the parameters of the analyse step."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.config.databases import refuse_password
from lunar_models.errors import ConfigError


class AnalyseConfig(StepConfig):
    """Everything that decides how a region's craters are counted, dated and exported.

    Raises:
        ConfigError: a value is outside its limits, or two parameters contradict each other.
    """

    table: str = param(
        help="Craters: a table of cluster or classify, or a catalogue, with states if known.",
        role="input",
    )
    catalogue: str | None = param(
        None, help="All craters of the region, where the table holds only part of them.",
        role="input",
    )  # fmt: skip
    columns: str | None = param(
        None,
        help="Columns of any other table, as crater_id=NAME,longitude_deg=NAME,"
        "latitude_deg=NAME,diameter_km=NAME (or diameter_m).",
    )
    states: str | None = param(
        None, help="Label table with CRATER_ID and state, instead of the table's states.",
        role="input",
    )  # fmt: skip
    label_order: tuple[str, ...] = param(
        (),
        help="States from freshest to oldest; empty: ascending numbers, or the known "
        "names in order.",
    )
    depths: str | None = param(
        None, help="Table (CSV) of CRATER_ID and measured depth_over_diameter.", role="input"
    )
    tags: str | None = param(
        None,
        help="Database of named tags (file, or URL without password), whose columns craters.csv, "
        ".geojson, .gpkg and robbins.csv get; none: those of the table.",
        role="input",
    )
    area: str | None = param(
        None,
        help="Counting area as polygons: GeoPackage, GeoJSON, shapefile or a CraterStats .scc; "
        "none: the valid pixels of the mosaic.",
        role="input",
    )
    area_crs: str | None = param(
        None, help="Reference system of the area, where its file has none or a wrong one."
    )
    bounds_deg: tuple[float, ...] = param(
        (),
        help="Limits of the counting area as west,south,east,north; clips the other areas.",
        unit="deg",
    )
    counting: Literal["centre", "buffered"] = param(
        "centre",
        help="Craters counted: with their centre on the area, or all that reach it, each on the "
        "area widened by its radius.",
    )
    mosaic: tuple[str, ...] = param(
        (), help="Mosaic whose valid pixels are the counting area, drawn behind the map.",
        role="input",
    )  # fmt: skip
    band: int | None = param(
        None,
        help="Band of the mosaic that holds brightness, from 1; none: the only one, or grey of "
        "red, green and blue.",
        minimum=1,
    )
    crs: str | None = param(
        None, help="Reference system of the mosaic in place of the one it states."
    )
    shade: str | None = param(
        None,
        help="Hillshade an elevation model with the Sun at AZIMUTH,INCIDENCE degrees, as in 90,65.",
    )
    binning: Literal["root2", "pseudo-log", "10/decade", "20/decade"] = param(
        "root2", help="Diameter bins of the size-frequency distribution."
    )
    chronology: Literal["neukum1983", "neukum2001", "yue2022", "hartmann2010"] = param(
        "neukum1983", help="Production and chronology functions."
    )
    age_min_km: float | None = param(
        None,
        help="Minimum diameter of the age fit; none: the completeness diameter.",
        unit="km",
        minimum=0.01,
    )
    age_max_km: float | None = param(
        None, help="Maximum diameter of the age fit; none: the limit of the production function.",
        unit="km", minimum=0.01,
    )  # fmt: skip
    complete_from_km: float | None = param(
        None, help="Diameter from which the catalogue is known to be complete.", unit="km",
        minimum=0.0,
    )  # fmt: skip
    age_interval: float = param(
        0.6827,
        help="Coverage of the Poisson intervals and of the ages.",
        minimum=0.5,
        maximum=0.999,
    )
    diffusivity_m2_per_myr: float = param(
        5.5, help="Diffusivity of a 1 km crater; the default is that of the maria.",
        unit="m²/Myr", minimum=0.01, maximum=10_000.0,
    )  # fmt: skip
    diffusivity_exponent: float = param(
        0.0, help="Exponent of the diameter in the diffusivity; 0: constant.",
        minimum=-3.0, maximum=3.0,
    )  # fmt: skip
    scheme: Literal["none", "lunar-models", "expert4", "stopar"] = param(
        "none",
        help="Published classes to which d/D or K assigns craters; none keeps the table's states.",
    )
    sun_side: str | None = param(
        None,
        help="Side of the Sun, noted on the map; none: where sun_azimuth_deg of the table says.",
    )
    figure_width: Literal["one", "two"] = param(
        "one", help="Width of the figures in columns of the journal's page."
    )
    figure_format: Literal["pdf", "svg"] = param("pdf", help="Format of the figures for print.")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        refuse_password("tags", self.tags)
        if self.bounds_deg and len(self.bounds_deg) != 4:
            raise ConfigError(
                f"bounds_deg has {len(self.bounds_deg)} numbers; give west,south,east,north."
            )
        if self.age_min_km and self.age_max_km and self.age_min_km >= self.age_max_km:
            raise ConfigError(
                f"age_min_km={self.age_min_km} is not below age_max_km={self.age_max_km}."
            )
        return self
