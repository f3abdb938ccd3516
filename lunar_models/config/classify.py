"""Define the parameters of the classify step: from mosaic, catalogue and model to a release."""

from typing import Any, Literal, Self

from pydantic import create_model, model_validator

from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.cluster import ClusterConfig
from lunar_models.config.databases import refuse_password
from lunar_models.config.preprocess import PreprocessConfig

_CLUSTER = {spec.name: spec for spec in specs(ClusterConfig)}

OF_THE_MODEL = (
    "crop_size_px", "context_diameters", "highpass_sigma_px", "normalisation", "block_deg",
    "validation_fraction", "test_fraction",
)  # fmt: skip
"""Parameters of preprocess that the model decides, or that concern training only."""

Engine = Literal["local", "ray"]


class WorkConfig(StepConfig):
    """What decides how the work is shared out, never what comes of it."""

    engine: Engine = param(
        "local",
        help="Where tasks run: processes of this machine, or a Ray cluster.",
        role="runtime",
    )
    address: str = param(
        "auto",
        help="Ray cluster: auto for the one that runs here, local to start one, or HOST:PORT.",
        role="runtime",
    )
    workers: int | None = param(
        None,
        help="Number of processes, of one thread each; none for one per core, or per GPU.",
        minimum=1,
        maximum=4096,
        role="runtime",
    )
    device: Literal["auto", "cpu", "cuda"] = param(
        "auto",
        help="Compute device of the encoder; auto selects a GPU if there is one.",
        role="runtime",
    )


class ReleaseConfig(WorkConfig):
    """What the classify step adds to the parameters of preprocess."""

    model: str = param(
        "models:/lunar-craters@champion",
        help="Service model: a models:/ or runs:/ URI, or a folder.",
        role="input",
    )
    output: str = param("data/release", help="Output folder of the release.", role="output")
    tags: str | None = _CLUSTER["tags"].declare(None)
    shards: int | None = param(
        None, help="Number of shards; none: one per 16,384 craters.", minimum=1, role="runtime"
    )
    title: str | None = param(None, help="Title of the release.", role="runtime")
    creators: tuple[str, ...] = param(
        (), help="Creators of the release, as in a citation.", role="runtime"
    )
    licence: str | None = param(None, help="Licence of the release.", role="runtime")
    citation: str | None = param(
        None, help="How to cite the release; none: title, creators and model.", role="runtime"
    )

    @model_validator(mode="after")
    def _check_tags(self) -> Self:
        refuse_password("tags", self.tags)
        return self


class ReleaseRunConfig(ReleaseConfig):
    """What is logged besides where classification is an MLflow run."""

    analysis: bool = param(
        True,
        help="Log sizes, ages and exports of the craters on the mosaic as well, as analyse with "
        "its defaults does.",
        role="runtime",
    )


def _crop_fields() -> dict[str, Any]:
    """Parameters of preprocess that hold here too."""
    own = {*OF_THE_MODEL, *(spec.name for spec in specs(ReleaseConfig))}
    return {
        spec.name: (spec.annotation, spec.declare(spec.default))
        for spec in specs(PreprocessConfig)
        if spec.name not in own
    }


ClassifyConfig: type[ReleaseConfig] = create_model(
    "ClassifyConfig",
    __base__=ReleaseConfig,
    __doc__="Which craters are classified, by which model, where, and on what.",
    **_crop_fields(),
)

ClassifyRunConfig: type[ReleaseRunConfig] = create_model(
    "ClassifyRunConfig",
    __base__=ReleaseRunConfig,
    __doc__=ClassifyConfig.__doc__,
    **_crop_fields(),
)


def crop_parameters(config: ReleaseConfig, **of_the_model: Any) -> PreprocessConfig:
    """Return how crops are cut: as for preprocess, and as the model's own were.

    Args:
        config: a `ClassifyConfig`.
        of_the_model: crop_size_px, context_diameters, highpass_sigma_px, and what else the model
            decides.

    Raises:
        ConfigError: parameters contradict each other.
    """
    shared = {spec.name for spec in specs(PreprocessConfig)} - {*OF_THE_MODEL, "workers"}
    return PreprocessConfig(**{name: getattr(config, name) for name in shared} | of_the_model)
