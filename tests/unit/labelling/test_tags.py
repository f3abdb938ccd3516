import pandas as pd
import pytest

from lunar_models.errors import LabelsError
from lunar_models.labelling import LabelStore
from lunar_models.labelling.tags import TagSet, TagStore, read_tags


@pytest.fixture
def store(tmp_path):
    store = TagStore(tmp_path / "labels.db")
    yield store
    store.close()


def add(store, name, positives, negatives=(), labeller="ada"):
    store.add(name, positives=positives, negatives=negatives, labeller=labeller, model="m 1")


def test_the_last_word_on_a_crater_stands(store, tmp_path):
    add(store, "rayed", ["a", "b"], ["c"])
    add(store, "rayed", ["c"], ["b"], labeller="bo")
    again = TagStore(tmp_path / "labels.db")
    members = again.table().set_index("crater_id")["member"].to_dict()
    assert members == {"a": True, "b": False, "c": True}
    again.close()


def test_a_tag_becomes_a_column_that_knows_what_nobody_said(store):
    add(store, "rayed", ["a"], ["b"])
    add(store, "doublet", ["b"])
    tags = TagSet(store.table())
    table = tags.columns(pd.Series(["a", "b", "c"], index=[5, 6, 7]))
    assert list(table.columns) == tags.names == ["tag_doublet", "tag_rayed"]
    assert table["tag_rayed"].tolist() == [True, False, pd.NA]
    assert table["tag_doublet"].tolist() == [pd.NA, True, pd.NA]
    assert table.index.tolist() == [5, 6, 7]
    assert set(table.dtypes) == {pd.BooleanDtype()}


def test_the_digest_of_tags_depends_on_what_stands_alone(store, tmp_path):
    add(store, "rayed", ["a", "b"])
    before = read_tags(str(tmp_path / "labels.db")).digest
    add(store, "rayed", ["b", "a"])
    assert read_tags(str(tmp_path / "labels.db")).digest == before
    add(store, "rayed", [], ["a"])
    assert read_tags(str(tmp_path / "labels.db")).digest != before


def test_tags_that_are_not_there_are_refused_and_not_made(store, tmp_path):
    with pytest.raises(LabelsError, match=r"tags=.*other.db does not exist"):
        read_tags(str(tmp_path / "other.db"))
    assert not (tmp_path / "other.db").exists()
    with pytest.raises(LabelsError, match="holds no tag"):
        read_tags(str(tmp_path / "labels.db"))
    (tmp_path / "text.db").write_text("crater_id,tag\n" * 100)
    with pytest.raises(LabelsError, match="cannot be used"):
        read_tags(str(tmp_path / "text.db"))


def test_tags_and_votes_share_a_database(store, tmp_path, make_vote):
    labels = LabelStore(tmp_path / "labels.db")
    labels.add(make_vote("a"))
    add(store, "rayed", ["a"])
    assert len(labels.votes()) == 1
    assert len(store.table()) == 1
    labels.close()


def test_a_crater_on_both_sides_is_refused(store):
    with pytest.raises(LabelsError, match="'a' is confirmed and rejected"):
        add(store, "rayed", ["a"], ["a"])
    assert store.table().empty


def test_a_database_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(LabelsError, match="cannot be used"):
        TagStore(tmp_path / "nowhere" / "labels.db")


def test_tags_are_kept_in_postgresql(postgresql_url):
    store = TagStore(postgresql_url)
    add(store, "rayed", ["a"])
    assert read_tags(postgresql_url).columns(pd.Series(["a"]))["tag_rayed"].tolist() == [True]
    store.close()
