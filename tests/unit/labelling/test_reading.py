import pandas as pd
import pytest

from lunar_models.errors import LabelsError
from lunar_models.labelling import LabelStore, default_scheme
from lunar_models.labelling.reading import read_votes


@pytest.fixture
def store(tmp_path, make_vote):
    store = LabelStore(tmp_path / "labels.db")
    store.keep_scheme(default_scheme())
    first = make_vote("a", value="Old")
    for vote in (first, make_vote("b"), make_vote("a", labeller="bo"),
                 make_vote("a", value="Semi-Old", supersedes=first.vote_id)):  # fmt: skip
        store.add(vote)
    yield store
    store.close()


def test_a_store_gives_the_votes_that_stand_with_its_states(store, tmp_path):
    found = read_votes(str(tmp_path / "labels.db"))
    assert found.states == ("New", "Semi-New", "Semi-Old", "Old")
    assert found.name == "degradation 1"
    standing = found.votes.set_index(["crater_id", "labeller"])["value"]
    assert standing.to_dict() == {("b", "ada"): "New", ("a", "bo"): "New", ("a", "ada"): "Semi-Old"}


def test_the_same_votes_as_a_table_have_the_same_digest(store, tmp_path):
    found = read_votes(str(tmp_path / "labels.db"))
    file = tmp_path / "votes.parquet"
    store.votes().to_parquet(file)
    table = read_votes(str(file))
    assert table.digest == found.digest
    plain = found.votes[["crater_id", "labeller", "value", "kind"]].iloc[::-1]
    plain.to_csv(tmp_path / "votes.csv", index=False)
    assert read_votes(str(tmp_path / "votes.csv")).digest == found.digest


def test_another_vote_gives_another_digest(store, tmp_path, make_vote):
    before = read_votes(str(tmp_path / "labels.db")).digest
    store.add(make_vote("c"))
    assert read_votes(str(tmp_path / "labels.db")).digest != before


def test_votes_of_two_schemes_are_told_apart(store, tmp_path, make_vote):
    store.add(make_vote("a", scheme="rays", value="Old"))
    with pytest.raises(LabelsError, match="of the schemes degradation, rays; name one"):
        read_votes(str(tmp_path / "labels.db"))
    assert len(read_votes(str(tmp_path / "labels.db"), scheme="degradation").votes) == 3
    with pytest.raises(LabelsError, match="no vote of scheme='ray'"):
        read_votes(str(tmp_path / "labels.db"), scheme="ray")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("crater_id,value\na,New\n", "no column labeller"),
        ("crater_id,labeller,value\na,ada,\n", "an empty cell"),
        ("crater_id,labeller,value,kind\na,ada,New,third\n", "unknown kind"),
        ("crater_id,labeller,value\n", "holds no vote"),
    ],
)
def test_a_bad_table_is_refused(tmp_path, text, said):
    file = tmp_path / "votes.csv"
    file.write_text(text)
    with pytest.raises(LabelsError, match=said):
        read_votes(str(file))


def test_ids_stay_text(tmp_path):
    file = tmp_path / "votes.csv"
    pd.DataFrame({"crater_id": ["01", "02"], "labeller": "1", "value": "Old"}).to_csv(
        file, index=False
    )
    assert list(read_votes(str(file)).votes["crater_id"]) == ["01", "02"]
