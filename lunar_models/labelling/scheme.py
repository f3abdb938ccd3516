"""Read a labelling scheme: the question, the ordered states and how each is recognised."""

import hashlib
import json
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as validated

from lunar_models.catalogue.states import MOST_STATES
from lunar_models.errors import LabelsError

CANNOT_TELL, NOT_A_CRATER = "cannot tell", "not a crater"
PAGE_COMMANDS = frozenset("cgmnruz")
"""Keys of the page that are no answers."""
"""Values of votes that name no state."""

MOST_ID = 100
"""Characters of a crater's id."""
_MOST_BYTES = 100_000
_MOST_EXAMPLES = 12

Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]
Guide = Annotated[str, StringConstraints(max_length=1000)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
CraterId = Annotated[str, StringConstraints(min_length=1, max_length=MOST_ID)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class State(_Strict):
    """One state of the scheme."""

    key: Key
    name: Name
    colour: Colour
    guide: Guide = ""
    examples: list[CraterId] = Field(default=[], max_length=_MOST_EXAMPLES)
    """Craters of the crop set that show the state well; they are never asked about."""


class Answer(_Strict):
    """A key for an answer that is no state."""

    key: Key
    guide: Guide = ""


class Scheme(_Strict):
    """A question and its possible answers; `states` are ordered, the freshest first."""

    name: Name
    version: int = Field(ge=1, le=1_000_000)
    question: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    states: list[State] = Field(min_length=2, max_length=MOST_STATES)
    cannot_tell: Answer = Answer(key="0")
    not_a_crater: Answer = Answer(key="x")

    @validated(mode="after")
    def _check_distinct(self) -> Self:
        names = [state.name.lower() for state in self.states]
        keys = [state.key for state in self.states]
        keys += [self.cannot_tell.key, self.not_a_crater.key]
        examples = [crater for state in self.states for crater in state.examples]
        for what, values in (("name", names), ("key", keys), ("example", examples)):
            if repeated := sorted({v for v in values if values.count(v) > 1}):
                raise ValueError(f"{what} {repeated[0]!r} is used twice")
        if reserved := {CANNOT_TELL, NOT_A_CRATER} & set(names):
            raise ValueError(f"state name {reserved.pop()!r} is reserved for an answer of its own")
        if taken := PAGE_COMMANDS & set(keys):
            commands = ", ".join(sorted(PAGE_COMMANDS))
            raise ValueError(f"key {min(taken)!r} is a command of the page ({commands})")
        return self

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states, the freshest first."""
        return tuple(state.name for state in self.states)

    @property
    def values(self) -> tuple[str, ...]:
        """All values that a vote may have: the states, `CANNOT_TELL` and `NOT_A_CRATER`."""
        return (*self.state_names, CANNOT_TELL, NOT_A_CRATER)

    def rank(self, value: str | None) -> int:
        """Return the rank of a state, 1 the freshest; 0 for every other value."""
        names = self.state_names
        return names.index(value) + 1 if value in names else 0

    @cached_property
    def digest(self) -> str:
        """Sha256 of the content, written canonically; colours are no part of a question."""
        asked = self.model_dump(exclude={"states": {"__all__": {"colour"}}})
        text = json.dumps(asked, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def default_scheme() -> Scheme:
    """Return the scheme of the four degradation states New, Semi-New, Semi-Old, Old."""
    file = resources.files("lunar_models.labelling") / "schemes" / "degradation.yaml"
    return parse_scheme(file.read_text(encoding="utf-8"), "degradation.yaml")


def read_scheme(path: str | Path) -> Scheme:
    """Read a scheme from a YAML file.

    Raises:
        LabelsError: the file cannot be read, is over 100 kB, or is not a valid scheme.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(
            f"{path} cannot be read as a labelling scheme ({error}); give a YAML file."
        ) from error
    if len(data) > _MOST_BYTES:
        raise LabelsError(f"{path} is over {_MOST_BYTES:,} bytes; a labelling scheme is shorter.")
    return parse_scheme(text, str(path))


def parse_scheme(text: str, source: str) -> Scheme:
    """Parse a scheme from YAML text.

    Args:
        text: the YAML.
        source: where it comes from, for messages.

    Raises:
        LabelsError: it is not a valid scheme.
    """
    try:
        content: Any = yaml.safe_load(text)
        return Scheme.model_validate(content)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise LabelsError(f"{source} is not YAML ({where}); correct it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "scheme"
        raise LabelsError(
            f"{source} is not a labelling scheme: {place}: {first['msg']} "
            f"(found {str(first['input'])[:60]!r}); see docs/labelling.md for the format."
        ) from error
