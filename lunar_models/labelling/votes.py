"""Define a vote: one answer of one person about one crater, and the table of all votes."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import pandas as pd
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic import model_validator as validated

from lunar_models.labelling.scheme import CraterId, Name

Kind = Literal["ordinary", "second", "repeat", "gold", "adjudication"]
"""Why the crater was shown.

ordinary      first label of the crater
second        another person's label of it, blind to the first
repeat        the same person's label of it again, blind to their first
gold          a crater with a known answer, for training
adjudication  a decision between labels that differ
"""

BLIND_KINDS = ("ordinary", "second")
"""Kinds that give a crater its label: the first answers of different people."""

LABEL = "label"
"""The place that both `BLIND_KINDS` take: a person has one label of a crater, the last given."""

MOST_NOTE = 1000
MOST_SECONDS = 86_400.0


def _canonical(text: str) -> str:
    return str(UUID(text))


def _utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character, which not every database keeps")
    return text


Storable = AfterValidator(_storable)
VoteId = Annotated[str, StringConstraints(max_length=40), AfterValidator(_canonical)]
Labeller = Annotated[str, StringConstraints(min_length=1, max_length=100), Storable]
Degrees = Annotated[float, Field(ge=0, le=360, allow_inf_nan=False)]


class Vote(BaseModel):
    """One answer, as it is stored for ever.

    An undone or corrected answer is another vote that `supersedes` the first one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    vote_id: VoteId
    """UUID made by whoever casts the vote: the same id sent again is the same vote."""
    crater_id: Annotated[CraterId, Storable]
    labeller: Labeller
    value: Annotated[str, StringConstraints(min_length=1, max_length=60), Storable] | None
    """Name of a state, `CANNOT_TELL` or `NOT_A_CRATER`; None withdraws the superseded vote."""
    scheme: Annotated[Name, Storable]
    scheme_version: int = Field(ge=1)
    time_utc: Annotated[AwareDatetime, Field(strict=False), AfterValidator(_utc)]
    """When the answer was given, by the labeller's clock."""
    seconds: float = Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)
    """Time between seeing the crater and answering."""
    kind: Kind = "ordinary"
    blind: bool = True
    """Whether the answer was given before any guess of a model or label of others was shown."""
    sun_azimuth_deg: Degrees | None = None
    """Of the Sun on the ground, clockwise from north; None unknown."""
    rotation_deg: float = Field(default=0.0, ge=-360, le=360, allow_inf_nan=False)
    """By which the picture was turned from north up, clockwise."""
    mirrored: bool = False
    """Whether the picture was mirrored left-right after that."""
    note: Annotated[str, StringConstraints(max_length=MOST_NOTE), Storable] = ""
    supersedes: VoteId | None = None

    @validated(mode="after")
    def _check_together(self) -> Self:
        if self.value is None and self.supersedes is None:
            raise ValueError("a vote without a value must say which vote it withdraws")
        if self.supersedes == self.vote_id:
            raise ValueError("a vote cannot supersede itself")
        return self


VOTE_COLUMNS = ("sequence", *Vote.model_fields, "received_utc")
"""Columns of `LabelStore.votes`: order of arrival, the vote, when the store received it."""


def slot_of(kind: str) -> str:
    """Return which vote of the same person on the same crater a vote of this kind replaces."""
    return LABEL if kind in BLIND_KINDS else kind


def current_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """Select the votes that stand.

    Superseded votes and withdrawals are left out; of several votes by the same person on the same
    crater and scheme, in the same place (`slot_of`), the last to arrive stands.

    Args:
        votes: `VOTE_COLUMNS`, as `LabelStore.votes` gives them.

    Returns:
        The rows that stand, in order of arrival.
    """
    superseded = set(votes["supersedes"].dropna())
    stands = votes[votes["value"].notna() & ~votes["vote_id"].isin(superseded)]
    slots = stands[["crater_id", "labeller", "scheme"]].assign(slot=stands["kind"].map(slot_of))
    return stands[~slots.duplicated(keep="last")].reset_index(drop=True)


def is_blind(votes: pd.DataFrame) -> "pd.Series[bool]":
    """Return which votes are blind; all of a table that does not say."""
    if "blind" in votes:
        return votes["blind"].astype("bool")
    return pd.Series(True, index=votes.index)


def blind_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """Select each person's last answer before anything about the crater was shown to them.

    A slip that was corrected before a look is corrected; what was changed or withdrawn after it
    still says what the person saw in the crater, so it stands here.

    Args:
        votes: `VOTE_COLUMNS`, as `LabelStore.votes` gives them.

    Returns:
        The blind rows that no other blind row replaces, in order of arrival.
    """
    return current_votes(votes[is_blind(votes)])


def votes_that_count(votes: pd.DataFrame) -> pd.DataFrame:
    """Select the votes that stand, and the blind ones that were changed or withdrawn after a look.

    Args:
        votes: `VOTE_COLUMNS`, as `LabelStore.votes` gives them.

    Returns:
        The rows of `current_votes` and of `blind_votes`, in order of arrival.
    """
    chosen = {*current_votes(votes)["vote_id"], *blind_votes(votes)["vote_id"]}
    return votes[votes["vote_id"].isin(chosen)].reset_index(drop=True)
