from pathlib import Path

import pytest

from lunar_models.catalogue.labels import labels_for, read_labels
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.errors import LabelsError


def write(path: Path, text: str) -> Path:
    file = path / "labels.csv"
    file.write_text(text)
    return file


def test_reads_ids_as_text_and_states_as_integers(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, "extra,CRATER_ID,State\n0,007,4\n0,RR-1,1.0\n"))
    assert labels.to_dict("list") == {
        "crater_id": ["007", "RR-1"],
        "state": [4, 1],
        "state_name": ["Old", "New"],
    }
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
        ("CRATER_ID,state\na,Old\nb,Odd\n", "order of the states Odd, Old is not known"),
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


def test_states_are_merged(tmp_path: Path) -> None:
    file = write(tmp_path, "CRATER_ID,state\na,1\nb,2\nc,3\nd,4\n")
    groups = ("Fresh=New+Semi-New", "Degraded=Semi-Old+Old")
    labels = read_labels(file, merge_states=groups)
    assert labels["state"].tolist() == [1, 1, 2, 2]
    assert labels["state_name"].tolist() == ["Fresh", "Fresh", "Degraded", "Degraded"]


def test_an_order_can_be_given(tmp_path: Path) -> None:
    file = write(tmp_path, "CRATER_ID,class\na,worn\nb,Sharp\nc,soft\n")
    order = ("sharp", "soft", "worn")
    labels = read_labels(file, label_column="Class", label_order=order)
    assert labels["state"].tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"merge_states": ("Ends=New+Old",)}, "must join neighbours"),
        ({"merge_states": ("A=New+Semi-New", "B=Semi-New+Semi-Old")}, "each state once"),
        ({"merge_states": ("A=New+Newest",)}, "'Newest', which is not among"),
        ({"label_order": ("New", "Semi-New")}, "'Old' is not in the order New, Semi-New"),
    ],
)
def test_bad_orders_and_merges(tmp_path: Path, options: dict, message: str) -> None:
    file = write(tmp_path, "CRATER_ID,state\na,New\nb,Old\n")
    with pytest.raises(LabelsError, match=message):
        read_labels(file, **options)


@pytest.mark.parametrize(
    ("options", "states", "names"),
    [
        ({}, [1, 2, 3, 4], ["New", "Semi-New", "Semi-Old", "Old"]),
        ({"label_order": ("4", "3", "2", "1")}, [4, 3, 2, 1], ["1", "2", "3", "4"]),
        ({"label_order": ("4.0", "3", "2", "1")}, [4, 3, 2, 1], ["1", "2", "3", "4"]),
        (
            {"label_order": ("Old", "Semi-Old", "Semi-New", "New")},
            [4, 3, 2, 1],
            ["New", "Semi-New", "Semi-Old", "Old"],
        ),
        (
            {"merge_states": ("Fresh=1+2", "Worn=3+4")},
            [1, 1, 2, 2],
            ["Fresh", "Fresh", "Worn", "Worn"],
        ),
        ({"merge_states": ("Fresh=1+2",)}, [1, 1, 2, 3], ["Fresh", "Fresh", "3", "4"]),
        (
            {"label_order": ("4", "3", "2", "1"), "merge_states": ("Fresh=4+3",)},
            [3, 2, 1, 1],
            ["1", "2", "Fresh", "Fresh"],
        ),
    ],
)
def test_numbers_are_called_as_the_parameters_call_them(
    tmp_path: Path, options: dict, states: list[int], names: list[str]
) -> None:
    file = write(tmp_path, "CRATER_ID,state\na,1\nb,2\nc,3.0\nd,4\n")
    labels = read_labels(file, **options)
    assert labels["state"].tolist() == states
    assert labels["state_name"].tolist() == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_order": ("4", "3", "2")}, "State '1' is not in the order 4, 3, 2"),
        ({"label_order": ("fresh", "old")}, "State '1' is not in the order fresh, old"),
        ({"merge_states": ("Fresh=1+7",)}, "'7', which is not among the states 1, 2, 3, 4"),
    ],
)
def test_messages_name_the_numbers_of_the_table(
    tmp_path: Path, options: dict, message: str
) -> None:
    file = write(tmp_path, "CRATER_ID,state\na,1\nb,2\nc,3\nd,4\n")
    with pytest.raises(LabelsError, match=message):
        read_labels(file, **options)


@pytest.mark.parametrize("number", ["21", "3850000000", "1e30"])
def test_a_large_number_is_a_measure_and_no_state(tmp_path: Path, number: str) -> None:
    """A list of all numbers up to an age in years would fill the memory."""
    file = write(tmp_path, f"CRATER_ID,state\na,2\nb,{number}\n")
    with pytest.raises(LabelsError, match=r"at most 20 states are told apart.* quantile_states"):
        read_labels(file)


def test_large_numbers_can_be_put_in_order(tmp_path: Path) -> None:
    file = write(tmp_path, "CRATER_ID,state\na,300\nb,100\n")
    labels = read_labels(file, label_order=("100", "300"))
    assert labels["state"].tolist() == [2, 1]
    assert labels["state_name"].tolist() == ["300", "100"]


@pytest.mark.parametrize(("freshest", "states"), [("highest", [2, 1, 0]), ("lowest", [1, 2, 0])])
def test_a_number_is_cut_into_states(tmp_path: Path, freshest: str, states: list[int]) -> None:
    file = write(tmp_path, "CRATER_ID,d_over_D\na,0.1\nb,0.2\nc,\n")
    labels = read_labels(file, label_column="d_over_D", quantiles=2, freshest=freshest)
    assert labels["state"].tolist() == states
    assert labels["value"].tolist()[:2] == [0.1, 0.2]
    assert labels["value"].isna().tolist() == [False, False, True]


def test_too_few_distinct_numbers_for_the_states(tmp_path: Path) -> None:
    file = write(tmp_path, "CRATER_ID,age\na,1\nb,1\nc,1\nd,2\n")
    with pytest.raises(LabelsError, match="2 distinct values cannot be cut into 4"):
        read_labels(file, label_column="age", quantiles=4)


def test_a_measure_comes_from_another_table(tmp_path: Path) -> None:
    (tmp_path / "depths.csv").write_text("CRATER_ID,d_over_D\nb,0.2\na,0.1\nz,0.3\n")
    config = EvaluateConfig(
        crops="crops",
        encoder_uri="encoder",
        labels=str(write(tmp_path, "CRATER_ID,state\na,1\nb,2\nc,2\n")),
        values=str(tmp_path / "depths.csv"),
        value_column="d_over_D",
    )
    labels = labels_for(config)
    assert labels["value"].tolist()[:2] == [0.1, 0.2]
    assert labels["value"].isna().tolist() == [False, False, True]


def test_a_measure_without_numbers(tmp_path: Path) -> None:
    file = write(tmp_path, "CRATER_ID,state,age\na,1,young\n")
    with pytest.raises(LabelsError, match="no number in column age"):
        read_labels(file, value_column="age")


def test_a_folder_of_images_is_a_label_table(tmp_path: Path) -> None:
    for name in ("RR_1-000001_Old.png", "RR_1-000002_Semi-New.PNG", "notes.txt"):
        (tmp_path / name).touch()
    labels = read_labels(tmp_path)
    assert labels.to_dict("list") == {
        "crater_id": ["RR_1-000001", "RR_1-000002"],
        "state": [4, 2],
        "state_name": ["Old", "Semi-New"],
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds 0 PNG images"),
        (["plain.png"], "'plain.png' is not named"),
        (["a_New.png", "a_Old.png"], "repeated CRATER_ID"),
    ],
)
def test_a_folder_of_other_images(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(LabelsError, match=message):
        read_labels(tmp_path)


def test_a_table_of_measures_is_told_how_to_become_states(tmp_path):
    file = tmp_path / "depths.csv"
    file.write_text("CRATER_ID,note,depth_km\na,x,0.1\nb,y,0.2\n")
    with pytest.raises(LabelsError, match=r"label_column=depth_km and quantile_states=4"):
        read_labels(file)
    file.write_text("name,depth_km\na,0.1\n")
    with pytest.raises(LabelsError, match=r"Name them CRATER_ID and state\.$"):
        read_labels(file)
