"""Define the parameters of the download step."""

from typing import Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.errors import ConfigError

ROBBINS_URL = (
    "https://astrogeology.usgs.gov/ckan/dataset/f89f5478-b69a-486c-b9b5-30d7b0c5ad2b/resource/"
    "c4f25cc2-4f8a-4207-a845-5e176da3ac5a/download/lunar_crater_database_robbins_2018"
)
"""Zip of the PDS4 bundle, 96 MB; its page is
https://astrogeology.usgs.gov/search/map/Moon/Research/Craters/lunar_crater_database_robbins_2018"""

WAC_URL = "https://planetarymaps.usgs.gov/mosaic/Lunar_LRO_LROC-WAC_Mosaic_global_100m_June2013.tif"
"""LROC WAC global morphology mosaic, 100 m/px, 6 GB; its page is
https://astrogeology.usgs.gov/search/map/Moon/LRO/LROC_WAC/Lunar_LRO_LROC-WAC_Mosaic_global_100m_June2013"""


class DownloadConfig(StepConfig):
    """Data to download, and network limits.

    Raises:
        ConfigError: a value outside its limits, or a URL that is not http(s).
    """

    output: str = param("data/downloads", help="Output folder.", role="output")
    catalogue_url: str | None = param(
        ROBBINS_URL,
        help="URL of the crater catalogue: a table, or a zip that contains a CSV; none skips it.",
    )
    mosaic_url: str | None = param(WAC_URL, help="URL of the mosaic; none skips it.")
    attempts: int = param(
        8,
        help="Maximum number of attempts without progress.",
        minimum=1,
        maximum=1000,
        role="runtime",
    )
    timeout_s: float = param(
        60.0,
        help="Maximum time without a byte from the server.",
        unit="s",
        minimum=0.1,
        maximum=3600,
        role="runtime",
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        for name in ("catalogue_url", "mosaic_url"):
            url = getattr(self, name)
            if url is not None and not url.lower().startswith(("http://", "https://")):
                raise ConfigError(f"{name}={url!r} is not an http(s) address; give one, or none.")
        return self
