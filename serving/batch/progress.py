"""Tell how far a job is; imported by who starts one, so it needs no library of the work itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from serving.batch.files import Record

Stage = Literal["measure", "classify"]


class Begun(NamedTuple):
    """A job as it is begun or resumed."""

    folder: Path
    """Its work."""
    plan: str
    """Digest of its plan; see `Job.digest`."""
    knows_sun: bool
    """Whether nothing needs to be measured."""
    is_aligned: bool
    """Whether the Sun of every crater is known already."""
    finished: dict[str, Any] | None = None
    """What the release says if it is published already; nothing else holds then."""


class ShardState(NamedTuple):
    """A shard before a stage."""

    number: int
    craters: int
    record: Record | None
    """None where it is not finished."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    stage: Stage
    shards_done: int
    shards: int
    craters_done: int
    """In this stage, those of former runs among them."""
    craters: int
    seconds: float
    """Since this run began the stage."""
    craters_here: int
    """Of `craters_done`, those done by this run."""
    cpu_seconds: float
    """Of all finished shards of this stage."""


Report = Callable[[Progress], object]
