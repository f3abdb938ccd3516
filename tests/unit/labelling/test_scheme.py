import pytest
import yaml

from lunar_models.colours import FRESH_TO_OLD
from lunar_models.errors import LabelsError
from lunar_models.labelling import default_scheme, read_scheme
from lunar_models.labelling.scheme import CANNOT_TELL, NOT_A_CRATER, Scheme
from lunar_models.terms import STATE_NAMES


def test_the_default_scheme_has_the_states_of_the_product() -> None:
    scheme = default_scheme()
    assert scheme.state_names == STATE_NAMES
    assert [state.colour for state in scheme.states] == list(FRESH_TO_OLD)
    assert [state.key for state in scheme.states] == ["1", "2", "3", "4"]
    assert all(state.guide for state in scheme.states)
    assert [scheme.rank(v) for v in scheme.values] == [1, 2, 3, 4, 0, 0]
    assert scheme.values[-2:] == (CANNOT_TELL, NOT_A_CRATER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "1"}, "version"),
        ({"colour": "red"}, "colour"),
        ({"states": []}, "states"),
        ({"question": ""}, "question"),
        ({"cannot_tell": {"key": "1"}}, "key '1' is used twice"),
        ({"cannot_tell": {"key": "u"}}, "command of the page"),
        ({"version": None}, "version"),
    ],
)
def test_what_is_no_scheme_is_refused_by_name(tmp_path, change: dict, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(default_scheme().model_dump() | change))
    with pytest.raises(LabelsError, match=message) as caught:
        read_scheme(file)
    assert str(file) in str(caught.value)


def test_a_scheme_is_bounded_in_bytes_and_must_be_yaml(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("#" * 100_001)
    with pytest.raises(LabelsError, match="100,000 bytes"):
        read_scheme(file)
    file.write_text("a: [")
    with pytest.raises(LabelsError, match="not YAML"):
        read_scheme(file)
    with pytest.raises(LabelsError, match="cannot be read"):
        read_scheme(tmp_path / "none.yaml")


def test_the_digest_follows_the_content(tmp_path) -> None:
    scheme = default_scheme()
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(scheme.model_dump()))
    assert read_scheme(file).digest == scheme.digest
    file.write_text(yaml.safe_dump(scheme.model_dump() | {"question": "How old?"}))
    assert read_scheme(file).digest != scheme.digest


def test_other_colours_are_no_other_question() -> None:
    scheme = default_scheme()
    described = scheme.model_dump()
    described["states"][0]["colour"] = "#123456"
    assert Scheme.model_validate(described).digest == scheme.digest
    described["states"][0]["guide"] = "Else."
    assert Scheme.model_validate(described).digest != scheme.digest
