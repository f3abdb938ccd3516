"""Declare the steps that `main` chains: their parameters, and which output feeds which input."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import create_model, model_validator

from lunar_models.config.analyse import AnalyseConfig
from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.cluster import ClusterConfig
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.config.register import RegisterConfig
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.config.train import TrainConfig
from lunar_models.errors import ConfigError
from serving.cli.options import to_text

StepName = Literal[
    "synthesize", "preprocess", "train", "evaluate", "cluster", "register", "analyse"
]
STEP_NAMES: tuple[StepName, ...] = StepName.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Step:
    """One entry point of the pipeline."""

    name: StepName
    config: type[StepConfig]
    wires: dict[str, str] = field(default_factory=dict)
    """Parameter -> ``step.output`` that fills it where the user gave none."""
    shown: tuple[str, ...] | None = None
    """Parameters that `main` offers; None: all."""
    one_of: tuple[str, ...] = ()
    """Parameters of which one must be given or made; else `main` leaves the step out."""
    fixed: dict[str, Any] = field(default_factory=dict)
    """Values that `main` sets itself."""

    def offers(self, parameter: str) -> bool:
        """Return whether `main` has this parameter of the step."""
        shown = self.shown is None or parameter in self.shown
        return shown and parameter not in self.fixed


CROPS = {"crops": "preprocess.crops"}
ENCODER = {"encoder_uri": "train.encoder_uri"}
HEAD = {"head": "evaluate.head"}
MOSAIC = {"mosaic": "synthesize.mosaic"}

PIPELINE = (
    Step("synthesize", SynthesizeConfig, shown=("crater_count", "width_px", "height_px", "seed")),
    Step("preprocess", PreprocessConfig, {**MOSAIC, "catalogue": "synthesize.catalogue"}),
    Step("train", TrainConfig, CROPS),
    Step("evaluate", EvaluateConfig, {**CROPS, **ENCODER, "labels": "synthesize.labels"}),
    Step(
        "cluster",
        ClusterConfig,
        {**CROPS, **ENCODER, **HEAD, **MOSAIC},
        fixed={"analysis": False},  # analyse does it
    ),
    Step(
        "register",
        RegisterConfig,
        {**ENCODER, **CROPS, **HEAD, "clusters": "cluster.clusters"},
    ),
    Step(
        "analyse",
        AnalyseConfig,
        {"table": "cluster.table", "catalogue": "synthesize.catalogue", **MOSAIC},
        one_of=("area", "bounds_deg", "mosaic"),
    ),
)


SERVICE_MODEL = next(s.default for s in specs(RegisterConfig) if s.name == "service_model")
DEMO_MODEL = f"{SERVICE_MODEL}-demo"
"""A model of a synthetic Moon never stands beside those of the real one."""


class PipelineConfig(StepConfig):
    """What `main` adds to the parameters of its steps."""

    steps: tuple[StepName, ...] = param(STEP_NAMES, help="Steps to run.")
    cache: bool = param(True, help="Reuse finished runs of unchanged steps.", role="runtime")
    data_dir: str = param("data", help="Folder for mosaics and crop sets.", role="runtime")
    service_model: str | None = param(
        None,
        help="Registry name of the served model; none: that of register, for a synthetic Moon "
        f"{DEMO_MODEL}.",
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (getattr(self, "mosaic", None) is None) != (getattr(self, "catalogue", None) is None):
            raise ConfigError(
                "mosaic and catalogue go together: give both, or neither for a synthetic Moon."
            )
        return self


def _step_fields() -> dict[str, Any]:
    """Every step's parameters, once; what is wired between steps becomes optional."""
    merged: dict[str, Any] = {}
    own = {spec.name for spec in specs(PipelineConfig)}
    for step in PIPELINE:
        for spec in specs(step.config):
            if spec.role == "output" or not step.offers(spec.name) or spec.name in own | {*merged}:
                continue
            wired = spec.name in step.wires
            hint = spec.annotation | None if wired else spec.annotation
            merged[spec.name] = (hint, spec.declare(None if wired else spec.default))
    return merged


MainConfig: type[PipelineConfig] = create_model(
    "MainConfig",
    __base__=PipelineConfig,
    __doc__="The parameters of `main`: its own, then every step's.",
    **_step_fields(),
)


def needed_steps(config: PipelineConfig) -> list[Step]:
    """Return the chosen steps, less those whose products the user has given.

    A step that feeds others is needed while one of them lacks a required parameter. A step that
    lacks all of `Step.one_of` is left out.
    """
    needed: list[Step] = []
    for step in reversed(PIPELINE):
        consumed = [
            (consumer, parameter)
            for consumer in PIPELINE
            for parameter, wire in consumer.wires.items()
            if consumer.name in config.steps
            and wire.startswith(f"{step.name}.")
            and is_required(consumer, parameter)
        ]
        missing = [p for c, p in consumed if c in needed and getattr(config, p) is None]
        if step.name in config.steps and (missing or not consumed):
            needed.insert(0, step)
    return [step for step in needed if _can_run(step, config, needed)]


def _can_run(step: Step, config: PipelineConfig, needed: list[Step]) -> bool:
    """Whether one of `Step.one_of` is given, or made by a needed step."""
    makers = {step.wires[name].partition(".")[0] for name in step.one_of if name in step.wires}
    made = any(other.name in makers for other in needed)
    return not step.one_of or made or any(getattr(config, name) for name in step.one_of)


def is_synthetic(needed: list[Step]) -> bool:
    """Return whether the pipeline works on a Moon that it makes itself."""
    return any(step.name == "synthesize" for step in needed)


def with_service_model(config: PipelineConfig, needed: list[Step]) -> PipelineConfig:
    """Settle the registry name of the served model."""
    name = config.service_model or (DEMO_MODEL if is_synthetic(needed) else SERVICE_MODEL)
    return config.replace(service_model=name)


def is_required(step: Step, parameter: str) -> bool:
    """Return whether the step cannot do without this parameter."""
    return next(s.required for s in specs(step.config) if s.name == parameter)


def step_values(step: Step, config: PipelineConfig, made: dict[str, str]) -> dict[str, Any]:
    """Return what `main` passes to a step: its own values, then what earlier steps made.

    Args:
        step: the step to configure.
        config: the parameters of `main`.
        made: ``step.output`` -> path or URI.

    Raises:
        ConfigError: a required parameter is neither given nor made.
    """
    values: dict[str, Any] = dict(step.fixed)
    for spec in specs(step.config):
        if spec.role == "output" or not step.offers(spec.name):
            continue
        value = getattr(config, spec.name)
        if value is None and spec.name in step.wires:
            source = step.wires[spec.name]
            value = made.get(source)
            if value is None and spec.required:
                raise ConfigError(
                    f"Step {step.name} needs {spec.name}: switch on step "
                    f"{source.partition('.')[0]}, or give {spec.name}."
                )
            if value is None:
                continue
            value = (value,) if spec.repeated else value
        values[spec.name] = value
    return values


def as_parameters(config: StepConfig) -> dict[str, str]:
    """Write a step's parameters as ``mlflow run`` takes them."""
    return {s.name: to_text(s, getattr(config, s.name)) for s in specs(type(config))}
