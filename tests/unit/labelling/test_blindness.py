"""A label that was given or changed after a look agrees with nobody, and closes no dispute."""

import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lunar_models.errors import LabelsError
from lunar_models.labelling import LabelStore, Vote, default_scheme
from lunar_models.labelling.agreement import measure_agreement
from lunar_models.labelling.assignment import Assignment
from lunar_models.labelling.consensus import find_consensus
from lunar_models.labelling.design import Design
from lunar_models.labelling.final_labels import final_labels
from lunar_models.labelling.formats import write_degree
from lunar_models.labelling.looks import Look, has_looked, record
from lunar_models.labelling.reading import read_votes

CRATERS = ["a", "b"]


class Team:
    """Ada and ben label the same craters; cleo decides."""

    def __init__(self, folder: Path, **design) -> None:
        self.url = str(folder / "labels.db")
        self.store = LabelStore(self.url)
        plain = {"craters": CRATERS, "double_share": 1.0, "repeat_share": 0.0}
        self.work = Assignment(self.store, default_scheme(), Design(**(plain | design)))
        self.last: dict[tuple[str, str], tuple[str, str]] = {}

    def say(self, who: str, crater: str, value: str | None, *, change: bool = False) -> None:
        decides = who == "cleo"
        if change:
            task_id, former = self.last[who, crater]
        else:
            found = self.work.tasks(who, 9, decides=decides)
            task_id, former = next(t.task_id for t in found if t.crater_id == crater), None
        vote = Vote(
            vote_id=str(uuid.uuid4()), crater_id=crater, labeller=who, value=value,
            scheme="degradation", scheme_version=1, time_utc=datetime.now(UTC), seconds=1.0,
            supersedes=former,
        )  # fmt: skip
        self.work.cast(vote, task_id, decides=decides)
        self.last[who, crater] = task_id, vote.vote_id

    @property
    def disputed(self) -> int:
        """As a server knows it, and one that starts anew on the same votes."""
        again = Assignment(self.store, default_scheme(), self.work._design)
        both = {w.progress("cleo", decides=True).disputed for w in (self.work, again)}
        (count,) = both
        return count

    def labels(self) -> pd.DataFrame:
        return final_labels(self.store.votes(), default_scheme()).set_index("crater_id")

    def kappa(self) -> tuple[int, float]:
        """Craters that both labelled, and the share on which they agree."""
        found = read_votes(self.url)
        row = measure_agreement(found.votes, found.states).pairs.iloc[-1]
        return int(row["craters"]), float(row["same"])


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def test_who_looks_and_then_agrees_closes_no_dispute(team: Team, tmp_path: Path) -> None:
    team.say("ada", "a", "New")
    team.say("ben", "a", "Old")
    assert team.work.others("ada", "a")["ben"].value == "Old"
    team.say("ada", "a", "Old", change=True)
    assert team.disputed == 1
    assert team.labels().loc["a", "basis"] == "disputed"
    assert pd.isna(team.labels().loc["a", "value"])
    assert team.kappa() == (1, 0.0)  # the blind answer counts, though it was changed
    write_degree(tmp_path / "out.csv", team.store.votes(), default_scheme())
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["second_reader_agrees"].tolist() == [False]
    team.say("cleo", "a", "Old")
    assert team.disputed == 0
    assert team.labels().loc["a", ["basis", "value"]].tolist() == ["decided", "Old"]


def test_nor_does_who_withdraws_and_answers_again(team: Team) -> None:
    team.say("ada", "a", "New")
    team.say("ben", "a", "Old")
    assert team.work.others("ben", "a")
    team.say("ben", "a", None, change=True)
    assert team.disputed == 1
    assert team.labels().loc["a", "basis"] == "disputed"
    team.say("ben", "a", "New")
    assert team.disputed == 1
    assert team.labels().loc["a", "basis"] == "disputed"
    assert team.kappa() == (1, 0.0)


def test_a_slip_that_is_corrected_before_any_look_is_no_dispute(team: Team) -> None:
    team.say("ada", "a", "New")
    team.say("ben", "a", "Old")
    team.say("ben", "a", "New", change=True)
    assert team.disputed == 0
    assert team.labels().loc["a", ["basis", "value", "votes"]].tolist() == ["agreed", "New", 2]
    assert team.kappa() == (1, 1.0)


def test_a_mind_changed_after_a_look_opens_a_dispute(team: Team) -> None:
    """Neither the blind label nor what its author now says is taken for the label."""
    team.say("ada", "a", "New")
    team.say("ben", "a", "New")
    assert team.work.others("ada", "a")
    team.say("ada", "a", "Old", change=True)
    assert team.disputed == 1
    assert team.labels().loc["a", "basis"] == "disputed"
    assert team.kappa() == (1, 1.0)


def test_a_label_given_after_a_look_is_nobodys_second(team: Team, make_vote) -> None:
    """The crater stays open for one who has not looked, and the table says what it rests on."""
    team.store.add(make_vote("a", labeller="ada", value="Old", blind=False))
    team.store.add(make_vote("a", labeller="ben", value="Old", kind="second", blind=False))
    assert team.labels().loc["a", ["basis", "votes"]].tolist() == ["not blind", 0]
    assert team.work.progress("dora").labelled == 0
    team.say("dora", "a", "Old")
    assert team.labels().loc["a", ["basis", "votes"]].tolist() == ["single", 1]
    team.say("eve", "a", "Old")
    assert team.labels().loc["a", ["basis", "votes"]].tolist() == ["agreed", 2]


def test_the_blind_answer_makes_the_consensus(team: Team) -> None:
    team.say("ada", "a", "New")
    team.say("ben", "a", "New")
    assert team.work.others("ada", "a")
    team.say("ada", "a", "Old", change=True)
    found = read_votes(team.url)
    table = find_consensus(found.votes, found.states).table.set_index("crater_id")
    assert table["state"].to_dict() == {"a": "New"}
    assert table["labellers"].to_dict() == {"a": 2}


def test_the_digest_tells_blind_votes_from_others(tmp_path: Path, make_vote) -> None:
    digests = []
    for blind in (True, False):
        store = LabelStore(tmp_path / f"{blind}.db")
        store.keep_scheme(default_scheme())
        store.add(make_vote("a", blind=blind))
        digests.append(read_votes(str(tmp_path / f"{blind}.db")).digest)
    assert digests[0] != digests[1]


def test_a_table_must_say_clearly_what_is_blind(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text("crater_id,labeller,value,blind\na,ada,New,false\nb,ada,New,perhaps\n")
    with pytest.raises(LabelsError, match=r"blind='perhaps' in row 2"):
        read_votes(str(file))
    file.write_text("crater_id,labeller,value,blind\na,ada,New,false\nb,ada,New,True\n")
    assert read_votes(str(file)).votes["blind"].tolist() == [False, True]


def test_nobody_looks_between_the_question_and_the_vote(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a person has looked and that their vote is blind are one transaction."""
    other, waited = LabelStore(team.url), []

    def look() -> None:
        with other.exclusive() as connection:
            record(connection, [Look("a", "ada", "label", "ben", "Old")])

    thread = threading.Thread(target=look)

    def asked(*words: Any) -> bool:
        found = has_looked(*words)
        thread.start()
        thread.join(0.3)
        waited.append(thread.is_alive())
        return found

    monkeypatch.setattr("lunar_models.labelling.assignment.has_looked", asked)
    team.say("ada", "a", "New")
    thread.join()
    assert waited == [True]
    assert team.store.votes()["blind"].tolist() == [True]
    assert len(team.store.looks()) == 1


def test_one_person_on_two_devices_has_one_label(team: Team, tmp_path: Path) -> None:
    """The second device answers what the first has answered; ben's label came in between."""
    (task,) = [t for t in team.work.tasks("ada", 9) if t.crater_id == "a"]
    team.say("ada", "a", "New")
    team.say("ben", "a", "Old")
    again = Vote(
        vote_id=str(uuid.uuid4()), crater_id="a", labeller="ada", value="Old",
        scheme="degradation", scheme_version=1, time_utc=datetime.now(UTC), seconds=1.0,
    )  # fmt: skip
    team.work.cast(again, task.task_id)
    assert team.disputed == 0
    assert team.labels().loc["a", ["basis", "value", "votes"]].tolist() == ["agreed", "Old", 2]
    assert team.kappa() == (1, 1.0)
    found = read_votes(team.url)
    assert find_consensus(found.votes, found.states).table["labellers"].tolist() == [2]
    assert found.votes["value"].tolist() == ["Old", "Old"]


def test_one_label_a_person_stands_of_votes_of_both_kinds(team: Team, make_vote) -> None:
    """As a table or an earlier release may have stored them."""
    for who, value, kind in (
        ("ada", "New", "ordinary"), ("ben", "Old", "second"), ("ada", "Old", "second"),
    ):  # fmt: skip
        team.store.add(make_vote("a", labeller=who, value=value, kind=kind))
    assert team.disputed == 0
    assert team.labels().loc["a", ["basis", "votes"]].tolist() == ["agreed", 2]
    assert team.kappa() == (1, 1.0)
    plain = team.store.votes()[["crater_id", "labeller", "value", "kind"]]
    states = default_scheme().state_names
    assert measure_agreement(plain, states).pairs["same"].tolist()[-1] == 1.0
    assert find_consensus(plain, states).table.loc[0, "confidence"] == pytest.approx(
        find_consensus(plain.iloc[1:], states).table.loc[0, "confidence"]
    )
