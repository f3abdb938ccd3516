from pathlib import Path

import pytest

from lunar_models.errors import LabelsError
from lunar_models.labels import read_labels


def write(path: Path, text: str) -> Path:
    file = path / "labels.csv"
    file.write_text(text)
    return file


def test_reads_ids_as_text_and_states_as_integers(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, "extra,CRATER_ID,State\n0,007,4\n0,RR-1,1.0\n"))
    assert labels.to_dict("list") == {"crater_id": ["007", "RR-1"], "state": [4, 1]}
    assert labels["state"].dtype == "int64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CRATER_ID,label\na,1\n", "no column state; its columns are CRATER_ID, label"),
        ("CRATER_ID,state\n", "no rows"),
        ("", "cannot be read"),
        ("CRATER_ID,state\na,1\na,2\n", r"repeated CRATER_ID in 1 of 2 rows.*'a'.*row 2"),
        ("CRATER_ID,state\na,1\nb,0\n", r"bad state .*'b', state='0' \(row 2\)"),
        ("CRATER_ID,state\na,1.5\n", "bad state"),
        ("CRATER_ID,state\na,Old\n", "bad state .*'Old'"),
        ("CRATER_ID,state\na,inf\n", "bad state"),
        ("CRATER_ID,state\na,\n", "bad state"),
        ("CRATER_ID,state\n ,1\n", "empty CRATER_ID"),
    ],
)
def test_bad_tables_say_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelsError, match=message):
        read_labels(write(tmp_path, text))


def test_a_missing_file_is_a_labels_error(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")
