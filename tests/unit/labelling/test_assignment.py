"""Who is asked about what: blind, twice where planned, nothing twice by chance, the same always."""

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lunar_models.errors import LabelsError
from lunar_models.labelling import LabelStore, Vote, current_votes, default_scheme
from lunar_models.labelling.assignment import Assignment, Task
from lunar_models.labelling.design import Design, random_order

CRATERS = [f"01-1-{k:06d}" for k in range(200)]


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., Assignment]:
    def begin(lease: timedelta = timedelta(hours=1), **design) -> Assignment:
        plain = {"craters": CRATERS, "repeat_share": 0.0, "double_share": 0.0}
        store = LabelStore(tmp_path / "labels.db")
        return Assignment(store, default_scheme(), Design(**(plain | design)), lease)

    return begin


def vote_on(task: Task, labeller: str, value: str | None = "New", **fields) -> Vote:
    return Vote(
        **({"vote_id": str(uuid.uuid4()), "crater_id": task.crater_id, "labeller": labeller,
            "value": value, "scheme": "degradation", "scheme_version": 1,
            "time_utc": datetime.now(UTC), "seconds": 1.0} | fields)
    )  # fmt: skip


def label(work: Assignment, labeller: str, count: int, value: str = "New", **options) -> list[str]:
    """Answer task by task, as a page does."""
    craters = []
    for _ in range(count):
        (task,) = work.tasks(labeller, 1, **options)
        work.cast(vote_on(task, labeller, value), task.task_id, **options)
        craters.append(task.crater_id)
    return craters


def stored(work: Assignment):
    return current_votes(work._store.votes())


def test_craters_come_in_the_given_order_and_again_until_answered(begin) -> None:
    work = begin()
    tasks = work.tasks("ada", 5)
    assert [task.crater_id for task in tasks] == CRATERS[:5]
    assert work.tasks("ada", 5) == tasks
    assert label(work, "ada", 3) == CRATERS[:3]
    assert work.tasks("ada", 2) == tasks[3:]


def test_two_people_get_different_craters_until_a_lease_ends(begin) -> None:
    work = begin()
    ada, ben = work.tasks("ada", 10), work.tasks("ben", 10)
    assert not {t.crater_id for t in ada} & {t.crater_id for t in ben}
    short = begin(lease=timedelta(0))
    assert [t.crater_id for t in short.tasks("cleo", 1)] == CRATERS[:1]


def test_many_at_once_on_one_store_never_share_a_crater(begin) -> None:
    works = [begin() for _ in range(4)]  # as many worker processes
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda k: label(works[k], f"person {k}", 25), range(4)))
    given = Counter(crater for craters in done for crater in craters)
    assert len(given) == 100
    assert max(given.values()) == 1
    assert works[0].progress("person 0").labelled == 100


def test_the_planned_share_is_labelled_by_two_different_people(begin) -> None:
    work = begin(double_share=0.3)
    for person in ("ada", "ben"):
        while work.tasks(person, 1):
            label(work, person, 1)
    votes = stored(work)
    people = votes.groupby("crater_id")["labeller"].nunique()
    assert len(people) == len(CRATERS)
    twice = int((people == 2).sum())
    assert twice == work.progress("ada").wanted - len(CRATERS)
    assert 0.2 < twice / len(CRATERS) < 0.4
    assert (votes["kind"] == "second").sum() == twice
    assert not work.tasks("cleo", 1)


def test_the_design_is_the_same_on_every_process_and_after_a_restart(begin) -> None:
    first, again = Design(CRATERS, seed=3), Design(CRATERS, seed=3)
    assert (first.wanted() == again.wanted()).all()
    assert random_order(CRATERS, 3) == random_order(CRATERS[::-1], 3) != CRATERS
    work = begin(double_share=0.5, repeat_share=0.5, repeat_gap=3)
    label(work, "ada", 20)
    assert begin(double_share=0.5, repeat_share=0.5, repeat_gap=3).tasks("ada", 9) == work.tasks(
        "ada", 9
    )


def test_repeats_come_after_the_gap_in_another_order_and_look_like_any_task(begin) -> None:
    work = begin(craters=CRATERS[:40], repeat_share=1.0, repeat_gap=40)
    first = label(work, "ada", 40)
    again = label(work, "ada", 40, value="Old")
    assert sorted(again) == sorted(first)
    assert again != first
    assert not work.tasks("ada", 1)
    kinds = stored(work)["kind"].value_counts().to_dict()
    assert kinds == {"ordinary": 40, "repeat": 40}
    assert set(Task.__dataclass_fields__) == {"task_id", "crater_id"}


def test_a_repeat_is_never_due_before_the_gap_while_others_are_left(begin) -> None:
    work = begin(repeat_share=0.5, repeat_gap=10)
    order = label(work, "ada", 150)
    places: dict[str, list[int]] = {}
    for k, crater in enumerate(order):
        places.setdefault(crater, []).append(k)
    gaps = [p[1] - p[0] for p in places.values() if len(p) == 2]
    assert len(gaps) > 30
    assert min(gaps) >= 10


def test_training_comes_first_on_gold_that_is_not_among_the_craters(begin) -> None:
    gold = {f"gold-{k}": "Old" for k in range(20)}
    work = begin(gold=gold, gold_count=6)
    first = label(work, "ada", 7)
    assert set(first[:6]) <= set(gold)
    assert first[6] == CRATERS[0]
    assert work.progress("ada").training_left == 0
    assert work.progress("ben").training_left == 6
    assert [t.crater_id for t in work.tasks("ben", 6)] != first[:6]
    with pytest.raises(ValueError, match="both gold"):
        Design(CRATERS, gold={CRATERS[0]: "New"})


def test_differing_labels_go_to_who_decides_and_only_once(begin) -> None:
    work = begin(craters=CRATERS[:6], double_share=1.0)
    label(work, "ada", 6, "New")
    label(work, "ben", 3, "New")
    label(work, "ben", 3, "Old")
    assert work.progress("cleo", decides=True).disputed == 3
    assert work.progress("ben").disputed == 0  # or ben would know that ada said something else
    assert not work.tasks("cleo", 9)
    decide = work.tasks("cleo", 9, decides=True)
    assert len(decide) == 3
    assert work.others("cleo", decide[0].crater_id) is None
    guessed = vote_on(decide[0], "ben", "Old")
    with pytest.raises(LabelsError, match="scope adjudicate"):
        work.cast(guessed, work._task_id("ben", guessed.crater_id, "adjudication"))
    assert work.progress("cleo", decides=True).disputed == 3
    work.cast(vote_on(decide[0], "cleo", "Old"), decide[0].task_id, decides=True)
    assert {v.value for v in work.others("cleo", decide[0].crater_id).values()} == {"New", "Old"}
    assert work.tasks("cleo", 9, decides=True) == decide[1:]
    assert stored(work)["kind"].tolist()[-1] == "adjudication"


def test_nobody_learns_by_the_count_that_anothers_label_differs(begin) -> None:
    """Ben has both scopes: told of a dispute, he could undo his label and follow the other."""
    work = begin(craters=CRATERS[:2], double_share=1.0)
    label(work, "ada", 2, "New")
    for value in ("New", "Old"):
        label(work, "ben", 1, value, decides=True)
        assert work.progress("ben", decides=True).disputed == 0
        assert work.progress("ben", decides=True).labelled > 0
    assert work.progress("cleo", decides=True).disputed == 1


def test_nobody_decides_on_a_crater_that_they_have_labelled(begin) -> None:
    work = begin(craters=CRATERS[:1], double_share=1.0)
    label(work, "ada", 1, "New")
    (first,) = work.tasks("ben", 1, decides=True)
    label(work, "ben", 1, "Old", decides=True)
    assert not work.tasks("ben", 9, decides=True)
    own = work._task_id("ben", first.crater_id, "adjudication")
    with pytest.raises(LabelsError, match=r"has labelled crater .* and may not decide"):
        work.cast(vote_on(first, "ben", "Old"), own, decides=True)
    (task,) = work.tasks("cleo", 9, decides=True)
    assert work.is_decision("cleo", task)
    assert not work.is_decision("ben", first)


def test_who_works_alone_decides_between_their_own_labels(begin, make_vote) -> None:
    """They have changed their mind after a look, and nobody else has a label there."""
    work = begin(craters=CRATERS[:1])
    label(work, "ada", 1, "New")
    work._store.add(make_vote(CRATERS[0], labeller="ada", value="Old", blind=False))
    assert work.progress("ada", decides=True).disputed == 1
    (task,) = work.tasks("ada", 9, decides=True)
    assert work.is_decision("ada", task)
    work._store.add(make_vote(CRATERS[0], labeller="ben", value="Old", kind="second"))
    assert not work.tasks("ada", 9, decides=True)


def test_a_repeat_is_not_taken_before_the_label_that_it_repeats(begin) -> None:
    work = begin()
    (task,) = work.tasks("ada", 1)
    guessed = work._task_id("ada", task.crater_id, "repeat")
    with pytest.raises(LabelsError, match="comes again only after"):
        work.cast(vote_on(task, "ada"), guessed)
    assert stored(work).empty


def test_nobody_sees_others_before_their_own_label_stands(begin) -> None:
    work = begin(double_share=1.0)
    label(work, "ada", 1)
    (task,) = work.tasks("ben", 1)
    assert task.crater_id == CRATERS[0]
    assert work.others("ben", CRATERS[0]) is None
    vote = vote_on(task, "ben", "Old")
    work.cast(vote, task.task_id)
    assert list(work.others("ben", CRATERS[0])) == ["ada"]
    work.cast(vote_on(task, "ben", None, supersedes=vote.vote_id), task.task_id)
    assert work.others("ben", CRATERS[0]) is None
    assert work.tasks("ben", 1) == [task]


def test_others_stay_hidden_while_a_repeat_is_due(begin) -> None:
    work = begin(craters=CRATERS[:1], repeat_share=1.0)
    label(work, "ada", 1)
    assert work.others("ada", CRATERS[0]) is None
    label(work, "ada", 1)
    assert work.others("ada", CRATERS[0]) == {}


def test_a_vote_sent_again_is_one_vote_of_the_same_kind(begin) -> None:
    work = begin(repeat_share=1.0, double_share=1.0)
    (task,) = work.tasks("ada", 1)
    vote = vote_on(task, "ada")
    assert work.cast(vote, task.task_id)
    assert not work.cast(vote, task.task_id)
    assert not begin(repeat_share=1.0, double_share=1.0).cast(vote, task.task_id)
    assert stored(work)["kind"].tolist() == ["ordinary"]


def test_a_corrected_vote_keeps_its_kind(begin) -> None:
    work = begin(double_share=1.0)
    (task,) = work.tasks("ada", 1)
    vote = vote_on(task, "ada")
    work.cast(vote, task.task_id)
    label(work, "ben", 1)
    work.cast(vote_on(task, "ada", "Old", supersedes=vote.vote_id, blind=False), task.task_id)
    assert sorted(stored(work)["kind"]) == ["ordinary", "second"]


def test_foreign_tasks_and_values_are_refused(begin) -> None:
    work = begin()
    (task,) = work.tasks("ada", 1)
    with pytest.raises(LabelsError, match="not given to ben"):
        work.cast(vote_on(task, "ben"), task.task_id)
    with pytest.raises(LabelsError, match="not an answer of scheme"):
        work.cast(vote_on(task, "ada", "Ancient"), task.task_id)
    with pytest.raises(LabelsError, match="not given"):
        work.cast(vote_on(Task(task.task_id, "01-1-999999"), "ada"), task.task_id)
    assert stored(work).empty


def test_votes_of_another_scheme_leave_the_work_alone(begin, make_vote) -> None:
    work = begin()
    work._store.add(make_vote(CRATERS[0], scheme="rays", value="rayed"))
    assert work.tasks("ada", 1)[0].crater_id == CRATERS[0]


def test_an_answer_that_was_under_way_when_the_order_changed_is_kept(begin) -> None:
    """A page holds craters of the former order, perhaps offline, when the next one is served."""
    before = begin()
    tasks = before.tasks("ada", 3)
    after = begin(craters=CRATERS[100:])
    assert after.cast(vote_on(tasks[0], "ada"), tasks[0].task_id)
    assert not {task.crater_id for task in after.tasks("ada", 50)} & set(CRATERS[:100])
    again = begin(craters=[CRATERS[0], *CRATERS[100:]], double_share=1.0)
    assert stored(again)[["crater_id", "kind"]].to_numpy().tolist() == [[CRATERS[0], "ordinary"]]
    assert again.tasks("ben", 1)[0].crater_id == CRATERS[0]  # the second label of it
    assert again.tasks("ada", 1)[0].crater_id == CRATERS[100]
