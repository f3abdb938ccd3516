"""What an import cannot use ends in one sentence, and what it has taken in is known again."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from lunar_models.config.label import ExportConfig, ImportConfig
from lunar_models.labelling import LabelStore, current_votes, default_scheme
from lunar_models.labelling.exchange import export_labels, import_labels
from serving.cli.label import main


def bring(source: Path, form: str) -> Any:
    """As a user runs it: a traceback would be an exception of another kind than SystemExit."""
    store = source.with_name("labels.db")
    words = ["import", "--source", str(source), "--store", str(store), "--form", form]
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def refused(source: Path, form: str) -> str:
    done = bring(source, form)
    assert done.exit_code == 2, done.output
    assert not source.with_name("labels.db").exists()
    assert done.output.strip().startswith("Error: ")
    return done.output


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("time_utc", ["last Tuesday"], "time_utc"),
        ("time_utc", [None], "time_utc"),
        ("note", [["a", "list"]], "note"),
        ("note", ["a\0b"], "NUL"),
        ("crater_id", ["a\0b"], "NUL"),
        ("sequence", ["first"], "sequence"),
        ("seconds", [["1"]], "seconds"),
        ("vote_id", [{"id": 1}], "vote_id"),
        ("value", [7], "value"),
    ],
)
def test_cells_that_no_vote_holds(
    tmp_path: Path, make_vote, column: str, cells: list[object], message: str
) -> None:
    store = LabelStore(tmp_path / "from.db")
    store.keep_scheme(default_scheme())
    store.add(make_vote("a"))
    table = store.votes().assign(**{column: pd.Series(cells, dtype="object")})
    table.to_parquet(tmp_path / "votes.parquet")
    assert message in refused(tmp_path / "votes.parquet", "votes")


def test_times_as_text_are_read(tmp_path: Path, make_vote) -> None:
    store = LabelStore(tmp_path / "from.db")
    store.keep_scheme(default_scheme())
    store.add(make_vote("a"))
    table = store.votes()
    table.assign(time_utc=["2026-01-02T03:04:05.678901Z"]).to_parquet(tmp_path / "votes.parquet")
    assert "1 votes added" in bring(tmp_path / "votes.parquet", "votes").output
    taken = LabelStore(tmp_path / "labels.db").votes()
    assert taken["time_utc"].tolist() == table["time_utc"].tolist()


def annotation(**fields: Any) -> dict[str, Any]:
    choice = {"from_name": "state", "type": "choices", "value": {"choices": ["New"]}}
    return {"result": [choice], "created_username": "ada"} | fields


@pytest.mark.parametrize(
    "fields",
    [
        {"lead_time": "abc"},
        {"lead_time": 10**400},
        {"lead_time": {"s": 1}},
        {"lead_time": float("inf")},
        {"created_at": "yesterday"},
        {"created_at": "9999-12-31T23:59:59-14:00"},
        {"created_at": 1e300},
        {"created_username": {"a": 1}},
        {"unique_id": 7},
        {"result": 7},
        {"result": [{"from_name": "state", "value": {"choices": [["New"]]}}]},
        {"result": [annotation()["result"][0] | {"meta": {"lunar_vote": {"value": "New"}}}]},
        {"result": [annotation()["result"][0] | {"meta": "text"}]},
    ],
    ids=str,
)
def test_annotations_that_no_vote_holds(tmp_path: Path, fields: dict[str, Any]) -> None:
    task = {"data": {"crater_id": "a"}, "annotations": [annotation(**fields)]}
    (tmp_path / "in.json").write_text(json.dumps([task]))
    said = refused(tmp_path / "in.json", "label_studio")
    assert "task 1" in said or "crater 'a'" in said


def test_a_time_without_its_zone_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Which zone it is cannot be known, and the order of votes hangs on it."""
    task = {"data": {"crater_id": "a"}, "annotations": [annotation(created_at="2026-01-02T03:04")]}
    (tmp_path / "in.json").write_text(json.dumps([task]))
    said = refused(tmp_path / "in.json", "label_studio")
    assert "write the zone of every time, such as 2026-01-02T03:04:05Z for UTC." in said


def test_an_annotation_that_was_open_for_days_counts_as_one_day(tmp_path: Path) -> None:
    task = {"data": {"crater_id": "a"}, "annotations": [annotation(lead_time=90_000.5)]}
    (tmp_path / "in.json").write_text(json.dumps([task]))
    assert bring(tmp_path / "in.json", "label_studio").exit_code == 0
    assert LabelStore(tmp_path / "labels.db").votes()["seconds"].tolist() == [86_400.0]


@pytest.mark.parametrize("column", ["label", "d_over_d"])
def test_a_missing_column_names_no_option_that_import_lacks(tmp_path: Path, column: str) -> None:
    (tmp_path / "in.csv").write_text(f"CRATER_ID,{column}\na,0.1\nb,0.2\n")
    said = refused(tmp_path / "in.csv", "labels")
    assert "Name them CRATER_ID and state." in said
    assert "label_column" not in said


@pytest.mark.parametrize("state", ["Ancient", "7"])
def test_a_state_of_another_scheme_names_an_option_that_import_has(
    tmp_path: Path, state: str
) -> None:
    (tmp_path / "in.csv").write_text(f"CRATER_ID,state\na,{state}\n")
    said = refused(tmp_path / "in.csv", "labels")
    assert "--scheme" in said
    assert "label_order" not in said


def test_json_that_is_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("[" * 200_000)
    assert "cannot be read" in refused(tmp_path / "in.json", "label_studio")


def test_a_note_that_is_a_text_stays_as_it_is(tmp_path: Path) -> None:
    note = {"from_name": "note", "type": "textarea", "value": {"text": "two words"}}
    task = {"data": {"crater_id": "a"}, "annotations": [annotation()]}
    task["annotations"][0]["result"].append(note)
    (tmp_path / "in.json").write_text(json.dumps([task]))
    assert bring(tmp_path / "in.json", "label_studio").exit_code == 0
    assert LabelStore(tmp_path / "labels.db").votes()["note"].tolist() == ["two words"]


@pytest.mark.parametrize(
    ("form", "name", "text"),
    [
        ("labels", "in.csv", "CRATER_ID,state\na,1\nb,4\n"),
        ("degree", "in.csv", "CRATER_ID,degree,second_reader_agrees\na,v-fr,True\n"),
        ("label_studio", "in.json", json.dumps(
            [{"data": {"crater_id": c}, "annotations": [annotation()]} for c in "ab"])),
    ],
)  # fmt: skip
def test_the_same_file_is_taken_in_once_whenever_it_was_written(
    tmp_path: Path, form: str, name: str, text: str
) -> None:
    source = tmp_path / name
    source.write_text(text)
    assert "2 votes added" in bring(source, form).output
    os.utime(source, (1e9, 1e9))
    assert "0 votes added" in bring(source, form).output
    (tmp_path / "copy").mkdir()
    copy = tmp_path / f"copy-{name}"
    copy.write_text(text)
    assert "0 votes added" in bring(copy, form).output


def test_a_corrected_table_brings_what_has_changed(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("CRATER_ID,state\na,1\nb,4\n")
    bring(source, "labels")
    source.write_text("CRATER_ID,state\na,2\nb,4\n")
    assert "1 votes added" in bring(source, "labels").output
    config = ExportConfig(store=str(tmp_path / "labels.db"), output=str(tmp_path / "out.csv"))
    export_labels(config)
    table = pd.read_csv(tmp_path / "out.csv").set_index("CRATER_ID")
    assert table["state"].to_dict() == {"a": 2, "b": 4}


@pytest.mark.parametrize(
    ("form", "head", "first", "other"),
    [("labels", "state", "New", "Old"), ("degree", "degree", "v-fr", "v-dr")],
)
def test_a_label_that_comes_back_stands_again(
    tmp_path: Path, form: str, head: str, first: str, other: str
) -> None:
    """It was given before, but another has taken its place since."""
    source = tmp_path / "in.csv"
    for value in (first, other, first, other):
        source.write_text(f"CRATER_ID,{head}\na,{value}\nb,{other}\n")
        added = bring(source, form).output
        assert not added.startswith("0 votes")
        assert "0 votes added" in bring(source, form).output
        standing = current_votes(LabelStore(tmp_path / "labels.db").votes())
        said = {"New": 1, "v-fr": 1, "Old": 4, "v-dr": 4}[value]
        by_crater = standing.set_index("crater_id")["value"].to_dict()
        assert by_crater == {"a": {1: "New", 4: "Old"}[said], "b": "Old"}


def test_an_import_again_does_not_undo_what_its_author_has_corrected(
    tmp_path: Path, make_vote
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("CRATER_ID,state\na,New\n")
    bring(source, "labels")
    store = LabelStore(tmp_path / "labels.db")
    store.add(make_vote("a", labeller="imported", value="Old"))
    assert "0 votes added" in bring(source, "labels").output
    assert current_votes(store.votes())["value"].tolist() == ["Old"]


@pytest.mark.parametrize("form", ["labels", "votes", "degree", "label_studio"])
def test_a_source_that_is_not_there_is_named(tmp_path: Path, form: str) -> None:
    assert "does not exist" in refused(tmp_path / "nowhere.csv", form)
    if form != "labels":
        (tmp_path / "folder").mkdir()
        assert "is a folder" in refused(tmp_path / "folder", form)


@pytest.mark.parametrize("rows", ["a,v-fr,\na,v-dr,\n", "a,v-fr,True\nb,r-fr,\na,v-fr,False\n"])
def test_degrees_that_contradict_each_other_are_refused(tmp_path: Path, rows: str) -> None:
    (tmp_path / "in.csv").write_text(f"CRATER_ID,degree,second_reader_agrees\n{rows}")
    said = refused(tmp_path / "in.csv", "degree")
    assert "of crater a, and in another row" in said


def test_a_row_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("CRATER_ID,degree\na,v-fr\na,v-fr\n")
    assert "1 votes added" in import_labels(
        ImportConfig(
            source=str(tmp_path / "in.csv"), store=str(tmp_path / "labels.db"), form="degree"
        )
    )


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("CRATER_ID,degree,Degree\na,v-fr,v-dr\n")
    assert "two columns degree" in refused(tmp_path / "in.csv", "degree")
