"""Define the parameters of the HTTP application."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.errors import ConfigError


class ServeConfig(StepConfig):
    """The served model, its address and its limits."""

    model: str = param(
        "models:/lunar-craters@champion",
        help="Model: a models:/ URI (an alias is followed), a runs:/ URI or a folder.",
        role="input",
    )
    host: str = param("127.0.0.1", help="Address to listen on.", role="runtime")
    port: int = param(
        8000, help="Port; 0 selects a free one.", minimum=0, maximum=65535, role="runtime"
    )
    workers: int = param(
        2, help="Number of worker processes.", minimum=1, maximum=64, role="runtime"
    )
    threads: int = param(
        1,
        help="Number of CPU threads per process for the encoder.",
        minimum=1,
        maximum=64,
        role="runtime",
    )
    cache: str = param(
        "~/.cache/lunar-models", help="Cache folder for downloaded models.", role="runtime"
    )
    poll_s: float = param(
        5.0, help="Interval at which the alias is looked up.", unit="s", minimum=0.1, role="runtime"
    )
    mosaic: str | None = param(
        None, help="Mosaic from which craters are cut on request.", role="input"
    )
    tags: str | None = param(
        None,
        help="Database of named tags (file, or URL without password), such as that of the labels; "
        "none: searches cannot be saved.",
        role="input",
    )
    release: str | None = param(
        None, help="Release of classify whose craters the map shows.", role="input"
    )
    labelling: str | None = param(
        None,
        help="YAML file of the parameters of lunar-label, for the page /label; none: no such page.",
        role="input",
    )
    band: int | None = param(
        None,
        help="Band of the mosaic, from 1; none: the only one, or grey of red, green and blue.",
        minimum=1,
    )
    crs: str | None = param(
        None, help="Reference system of the mosaic in place of the one it states."
    )
    shade: str | None = param(
        None,
        help="Hillshade an elevation model with the Sun at AZIMUTH,INCIDENCE degrees, as in 90,65.",
    )
    tokens: str | None = param(
        None,
        help="File of hashed tokens (see lunar-token); none leaves the API open.",
        role="runtime",
    )
    tls_certificate: str | None = param(
        None, help="TLS certificate (PEM); none serves plain HTTP.", role="runtime"
    )
    tls_key: str | None = param(
        None, help="Private key of the TLS certificate (PEM).", role="runtime"
    )
    trusted_proxies: tuple[str, ...] = param(
        (), help="Addresses whose X-Forwarded headers are trusted.", role="runtime"
    )
    cors_origins: tuple[str, ...] = param(
        (), help="Web origins allowed to call the API from a browser.", role="runtime"
    )
    max_body_mb: float = param(
        32.0,
        help="Maximum size of a request body.",
        unit="MB",
        minimum=0.01,
        maximum=1024,
        role="runtime",
    )
    max_bodies_mb: float = param(
        128.0,
        help="Maximum total size of the request bodies that one process handles at a time.",
        unit="MB",
        minimum=0.01,
        role="runtime",
    )
    max_items: int = param(
        512, help="Maximum number of crops in one request.", minimum=1, role="runtime"
    )
    queue_items: int = param(
        1024,
        help="Maximum number of crops queued per process; beyond it the answer is 503.",
        minimum=1,
        role="runtime",
    )
    deadline_s: float = param(
        30.0, help="Maximum duration of a request.", unit="s", minimum=0.01, role="runtime"
    )
    decoders: int = param(
        2,
        help="Number of processes per worker that decode large or unusual images.",
        minimum=1,
        maximum=64,
        role="runtime",
    )
    decode_s: float = param(
        5.0, help="Maximum duration of decoding one image.", unit="s", minimum=0.05, role="runtime"
    )
    drain_s: float = param(
        1.0,
        help="Time after SIGTERM in which new requests are still answered.",
        unit="s",
        minimum=0,
        role="runtime",
    )

    log_level: Literal["info", "warning", "error"] = param(
        "info", help="Log level; info writes a line for every request.", role="runtime"
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigError("tls_certificate and tls_key belong together; give both or none.")
        given = [name for name in ("band", "crs", "shade") if getattr(self, name) is not None]
        if given and self.mosaic is None:
            raise ConfigError(f"{given[0]} says how a mosaic is read; give mosaic too.")
        if self.max_items > self.queue_items:
            raise ConfigError(
                f"max_items={self.max_items} can never wait in queue_items={self.queue_items}; "
                "raise queue_items."
            )
        if self.max_body_mb > self.max_bodies_mb:
            raise ConfigError(
                f"max_body_mb={self.max_body_mb:g} can never fit into "
                f"max_bodies_mb={self.max_bodies_mb:g}; raise max_bodies_mb."
            )
        return self
