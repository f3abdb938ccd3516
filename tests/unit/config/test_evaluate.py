import pytest

from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": "depths.csv"}, "values needs value_column"),
        ({"quantile_states": 4, "label_order": ("a", "b")}, "makes the states itself"),
        ({"quantile_states": 4, "merge_states": ("A=a+b",)}, "makes the states itself"),
        ({"folds": 1}, "folds=1 is too small"),
        ({"freshest": "deepest"}, "not one of highest, lowest"),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        EvaluateConfig(crops="crops", encoder_uri="encoder", **options)
