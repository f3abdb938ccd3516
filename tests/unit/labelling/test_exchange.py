"""Labels go out and come back as they were, and evaluate reads them."""

import json
import uuid
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lunar_models.catalogue.labels import read_labels
from lunar_models.config.label import ExportConfig, ImportConfig
from lunar_models.errors import LabelsError
from lunar_models.labelling import LabelStore, current_votes, default_scheme
from lunar_models.labelling.exchange import export_labels, import_labels
from lunar_models.labelling.final_labels import final_labels


@pytest.fixture
def store(tmp_path: Path, make_vote) -> LabelStore:
    """Agreed, single, disputed, decided, undone and unusable labels."""
    store = LabelStore(tmp_path / "labels.db")
    store.keep_scheme(default_scheme())
    for crater, labeller, value, kind in (
        ("agreed", "ada", "Old", "ordinary"), ("agreed", "ben", "Old", "second"),
        ("single", "ada", "New", "ordinary"), ("single", "ada", "Old", "repeat"),
        ("disputed", "ada", "New", "ordinary"), ("disputed", "ben", "Semi-New", "second"),
        ("decided", "ada", "New", "ordinary"), ("decided", "ben", "Semi-Old", "second"),
        ("decided", "cleo", "Semi-Old", "adjudication"), ("trained", "ada", "New", "gold"),
        ("dark", "ada", "cannot tell", "ordinary"),
    ):  # fmt: skip
        store.add(make_vote(crater, labeller=labeller, value=value, kind=kind))
    undone = make_vote("undone", note='a, "quoted"\nnote')
    store.add(undone)
    store.add(make_vote("undone", value=None, supersedes=undone.vote_id))
    return store


def export(store: LabelStore, form: str, output: Path, **options) -> str:
    return export_labels(
        ExportConfig(store=str(store.url), output=str(output), form=form, **options)
    )


def bring(source: Path, store: Path, form: str, **options) -> str:
    return import_labels(ImportConfig(source=str(source), store=str(store), form=form, **options))


def test_the_consensus_says_on_what_it_rests(store: LabelStore) -> None:
    table = final_labels(store.votes(), default_scheme()).set_index("crater_id")
    assert table["basis"].to_dict() == {
        "agreed": "agreed", "single": "single", "disputed": "disputed", "decided": "decided",
        "dark": "single",
    }  # fmt: skip
    assert table["state"].to_dict() == {
        "agreed": 4, "single": 1, "disputed": 0, "decided": 3, "dark": 0,
    }  # fmt: skip
    assert table.loc["agreed", "votes"] == 2


def test_labels_are_what_evaluate_reads(store: LabelStore, tmp_path: Path) -> None:
    said = export(store, "labels", tmp_path / "labels.csv")
    assert "3 labelled craters (left out: 1 disputed, 1 without a state)" in said
    for column in ("state", "state_name"):
        labels = read_labels(tmp_path / "labels.csv", label_column=column)
        assert dict(zip(labels["crater_id"], labels["state"], strict=True)) == {
            "agreed": 4, "single": 1, "decided": 3,
        }  # fmt: skip


def test_all_votes_go_round_through_parquet_once(store: LabelStore, tmp_path: Path) -> None:
    export(store, "votes", tmp_path / "votes.parquet")
    assert "13 votes added" in bring(tmp_path / "votes.parquet", tmp_path / "b.db", "votes")
    assert "0 votes added" in bring(tmp_path / "votes.parquet", tmp_path / "b.db", "votes")
    again = LabelStore(tmp_path / "b.db").votes().drop(columns="received_utc")
    pd.testing.assert_frame_equal(again, store.votes().drop(columns="received_utc"))


@pytest.mark.parametrize("other", [{"scheme": "rays"}, {"scheme_version": 2}])
def test_votes_by_a_scheme_that_the_store_lacks_are_refused(
    store: LabelStore, tmp_path: Path, other: dict[str, object]
) -> None:
    """They could never be read again."""
    export(store, "votes", tmp_path / "votes.parquet")
    pd.read_parquet(tmp_path / "votes.parquet").assign(**other).to_parquet(tmp_path / "o.parquet")
    with pytest.raises(LabelsError, match="does not have; give that file as --scheme"):
        bring(tmp_path / "o.parquet", tmp_path / "b.db", "votes")
    assert LabelStore(tmp_path / "b.db").votes().empty


def test_label_studio_goes_round(store: LabelStore, tmp_path: Path) -> None:
    export(store, "label_studio", tmp_path / "tasks.json", image_url="https://x/{crater_id}.png")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert tasks[0]["data"] == {"crater_id": "agreed", "image": "https://x/agreed.png"}
    assert tasks[0]["annotations"][0]["result"][0]["value"] == {"choices": ["Old"]}
    assert "11 votes added" in bring(tmp_path / "tasks.json", tmp_path / "b.db", "label_studio")
    columns = ["vote_id", "crater_id", "labeller", "value", "kind", "time_utc", "seconds"]
    ours, theirs = current_votes(store.votes()), LabelStore(tmp_path / "b.db").votes()
    pd.testing.assert_frame_equal(
        theirs[columns].sort_values("vote_id", ignore_index=True),
        ours[columns].sort_values("vote_id", ignore_index=True),
    )


def test_a_vote_is_known_again_after_label_studio_has_had_it(
    store: LabelStore, tmp_path: Path
) -> None:
    """Label Studio 1.23 gives each imported annotation a new id, author and time."""
    export(store, "label_studio", tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    annotations = [a for task in tasks for a in task["annotations"]]
    for k, annotation in enumerate(annotations):
        del annotation["created_username"]
        annotation |= {
            "unique_id": str(uuid.UUID(int=k)), "completed_by": 1,
            "created_at": "2026-11-27T10:51:57.786080Z",
        }  # fmt: skip
    (tmp_path / "back.json").write_text(json.dumps(tasks))
    before = len(store.votes())
    assert "0 votes added" in bring(tmp_path / "back.json", tmp_path / "labels.db", "label_studio")
    assert len(store.votes()) == before
    # Somebody there takes another view of the first one.
    annotations[0]["result"][0]["value"]["choices"] = ["not a crater"]
    (tmp_path / "back.json").write_text(json.dumps(tasks))
    assert "1 votes added" in bring(tmp_path / "back.json", tmp_path / "labels.db", "label_studio")
    new = store.votes().iloc[-1]
    assert new[["labeller", "value", "kind", "blind"]].tolist() == [
        "1", "not a crater", "second", False,
    ]  # fmt: skip
    # And changes their mind twice: the last word stands, once.
    for k, choice in enumerate(("New", "not a crater", "Semi-New")):
        annotations[0]["result"][0]["value"]["choices"] = [choice]
        annotations[0]["updated_at"] = f"2026-11-27T11:0{k}:00Z"
        (tmp_path / "back.json").write_text(json.dumps(tasks))
        for added in (1, 0):
            said = bring(tmp_path / "back.json", tmp_path / "labels.db", "label_studio")
            assert f"{added} votes added" in said
    standing = current_votes(store.votes())
    assert standing[standing["labeller"] == "1"]["value"].tolist() == ["Semi-New"]


@pytest.mark.parametrize("forms", [("label_studio", "votes"), ("votes", "label_studio")])
def test_both_forms_of_the_same_votes_are_the_same_votes(
    store: LabelStore, tmp_path: Path, make_vote, forms: tuple[str, str]
) -> None:
    """Label Studio's form has neither undone votes nor how pictures were turned."""
    turned = make_vote("turned", rotation_deg=12.0, mirrored=True, sun_azimuth_deg=80.0)
    store.add(turned)
    store.add(make_vote("turned", value="Old", supersedes=turned.vote_id, rotation_deg=12.0))
    for form in forms:
        export(store, form, tmp_path / form)
        bring(tmp_path / form, tmp_path / "b.db", form)
        for again in forms[: forms.index(form) + 1]:
            assert "0 votes added" in bring(tmp_path / again, tmp_path / "b.db", again)
    columns = ["vote_id", "crater_id", "labeller", "value", "kind", "time_utc"]
    ours, theirs = (current_votes(s.votes()) for s in (store, LabelStore(tmp_path / "b.db")))
    pd.testing.assert_frame_equal(
        theirs[columns].sort_values("vote_id", ignore_index=True),
        ours[columns].sort_values("vote_id", ignore_index=True),
    )


@pytest.mark.parametrize("where", ["id", "supersedes"])
def test_an_import_that_fails_leaves_nothing(
    store: LabelStore, tmp_path: Path, make_vote, where: str
) -> None:
    export(store, "votes", tmp_path / "votes.parquet")
    table = pd.read_parquet(tmp_path / "votes.parquet")
    other = LabelStore(tmp_path / "b.db")
    if where == "id":  # the last vote's id is another vote's there
        other.keep_scheme(default_scheme())
        other.add(make_vote("elsewhere", vote_id=table["vote_id"].iloc[-2]))
    else:  # the last vote replaces one that nobody has
        table.loc[len(table) - 1, "supersedes"] = str(uuid.UUID(int=1))
        table.to_parquet(tmp_path / "votes.parquet")
    before, schemes = other.votes(), other.schemes()
    with pytest.raises(LabelsError, match=r"another content|supersedes"):
        bring(tmp_path / "votes.parquet", tmp_path / "b.db", "votes")
    pd.testing.assert_frame_equal(other.votes(), before)
    assert other.schemes() == schemes


def test_labels_that_are_not_blind_agree_with_nobody(tmp_path: Path, make_vote) -> None:
    store = LabelStore(tmp_path / "labels.db")
    store.keep_scheme(default_scheme())
    for crater, blind in (("a", True), ("b", False)):
        store.add(make_vote(crater, labeller="ada", value="Old"))
        store.add(make_vote(crater, labeller="ben", value="Old", kind="second", blind=blind))
    export(store, "degree", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert out["second_reader_agrees"].tolist() == ["True", ""]


def test_what_label_studio_itself_exports_is_read(tmp_path: Path) -> None:
    """As Label Studio 1.x writes it: the annotator as a number or an object, skipped ones too."""

    def annotation(by: object, choice: str, **fields) -> dict:
        result = {"from_name": "state", "to_name": "image", "type": "choices",
                  "value": {"choices": [choice]}}  # fmt: skip
        made = {"completed_by": by, "result": [result], "created_at": "2026-01-02T03:04:05.6Z"}
        return made | {"lead_time": 3.2, "was_cancelled": False} | fields

    tasks = [
        {"id": 1, "data": {"crater_id": "c1"}, "annotations": [
            annotation(7, "New"), annotation({"email": "ben@x"}, "Old"),
            annotation(8, "Old", was_cancelled=True)]},
    ]  # fmt: skip
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    assert "2 votes added" in bring(tmp_path / "export.json", tmp_path / "b.db", "label_studio")
    assert "0 votes added" in bring(tmp_path / "export.json", tmp_path / "b.db", "label_studio")
    votes = LabelStore(tmp_path / "b.db").votes()
    assert votes[["labeller", "value", "kind"]].to_numpy().tolist() == [
        ["7", "New", "ordinary"], ["ben@x", "Old", "second"],
    ]  # fmt: skip


def test_the_original_projects_degrees(tmp_path: Path) -> None:
    source = tmp_path / "expert.csv"
    source.write_text(
        "CRATER_ID,degree,state,second_reader_agrees\n"
        "a,v-fr,1,True\nb,r-dr,3,False\nc,v-dr,4,\n"
    )  # fmt: skip
    bring(source, tmp_path / "b.db", "degree", labeller="expert")
    store = LabelStore(tmp_path / "b.db")
    votes = store.votes()
    assert votes[["crater_id", "value", "kind"]].to_numpy().tolist() == [
        ["a", "New", "ordinary"], ["a", "New", "second"], ["b", "Semi-Old", "ordinary"],
        ["c", "Old", "ordinary"],
    ]  # fmt: skip
    assert votes["note"][2] == "the second reader differed"
    export(store, "degree", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert out.to_numpy().tolist() == [
        ["a", "v-fr", "1", "True", "agreed"], ["b", "r-dr", "3", "False", "single"],
        ["c", "v-dr", "4", "", "single"],
    ]  # fmt: skip


def test_degrees_are_the_final_labels(store: LabelStore, tmp_path: Path, make_vote) -> None:
    """A decision counts; of a disputed crater it is the first reader's, as the column says."""
    store.add(make_vote("disputed2", value="New"))
    store.add(make_vote("disputed2", labeller="ben", value="Old", kind="second"))
    store.add(make_vote("disputed2", labeller="cleo", value="not a crater", kind="adjudication"))
    said = export(store, "degree", tmp_path / "out.csv")
    assert "4 craters, 1 of them disputed, with the first label (left out: 2 without" in said
    out = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert out.to_numpy().tolist() == [
        ["agreed", "v-dr", "4", "True", "agreed"], ["single", "v-fr", "1", "", "single"],
        ["disputed", "v-fr", "1", "False", "disputed"],
        ["decided", "r-dr", "3", "False", "decided"],
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["labels", "degree"])
def test_what_votes_amount_to_does_not_come_back_as_somebodys_label(
    store: LabelStore, tmp_path: Path, form: str
) -> None:
    """It would turn single labels into blind agreements, of people with their own words."""
    export(store, form, tmp_path / "out.csv")
    before = store.votes()
    for target in ("labels.db", "b.db"):
        with pytest.raises(LabelsError, match=r"column basis.*--form votes"):
            bring(tmp_path / "out.csv", tmp_path / target, form)
    pd.testing.assert_frame_equal(store.votes(), before)
    export(store, "votes", tmp_path / "votes.parquet")
    assert "0 votes added" in bring(tmp_path / "votes.parquet", tmp_path / "labels.db", "votes")


def test_a_label_table_comes_in_by_rank_or_name(tmp_path: Path) -> None:
    for name, text in {"rank": "CRATER_ID,state\na,2\nb,3\n",
                       "name": "CRATER_ID,state\na,semi-new\nb,Semi-Old\n"}.items():  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(text)
        bring(tmp_path / f"{name}.csv", tmp_path / f"{name}.db", "labels")
        assert LabelStore(tmp_path / f"{name}.db").votes()["value"].tolist() == [
            "Semi-New", "Semi-Old",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("labels", "CRATER_ID,state\na,Ancient\n", "Ancient"),
        ("labels", "CRATER_ID,state\na,5\n", "'5'"),
        ("degree", "CRATER_ID,degree\na,fresh\n", "'fresh'"),
        ("degree", "CRATER_ID,state\na,1\n", "no column degree"),
        ("degree", "CRATER_ID,degree,second_reader_agrees\na,v-fr,maybe\n", "maybe"),
        ("label_studio", "{}", "no list of tasks"),
        ("label_studio", '[{"data": {}}]', "task 1"),
        ("label_studio", "[", "cannot be read"),
        ("votes", "no parquet", "cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_added(
    tmp_path: Path, form: str, text: str, message: str
) -> None:
    (tmp_path / "in").write_text(text)
    with pytest.raises(LabelsError, match=message):
        bring(tmp_path / "in", tmp_path / "b.db", form)
    assert not (tmp_path / "b.db").exists()


def test_a_bad_row_late_in_the_file_adds_nothing(tmp_path: Path) -> None:
    scheme = tmp_path / "scheme.yaml"
    scheme.write_text(yaml.safe_dump(default_scheme().model_dump()))
    (tmp_path / "in.csv").write_text("CRATER_ID,state\na,1\n" + "b" * 101 + ",2\n")
    with pytest.raises(LabelsError, match="label 2"):
        bring(tmp_path / "in.csv", tmp_path / "b.db", "labels", scheme=str(scheme))
    assert not (tmp_path / "b.db").exists()


def test_a_scheme_without_votes_is_named(store: LabelStore, tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="no votes of scheme rays; its schemes are degradation"):
        export(store, "labels", tmp_path / "x.csv", scheme="rays")
