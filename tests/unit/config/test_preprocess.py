import pytest

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.errors import ConfigError


def config(**settings):
    return PreprocessConfig(**{"mosaic": ("m.tif",), "catalogue": "c.csv", **settings})


def test_column_names():
    assert config().column_names is None
    assert config(columns="longitude_deg=Lon, latitude_deg = Lat").column_names == {
        "longitude_deg": "Lon",
        "latitude_deg": "Lat",
    }
    with pytest.raises(ConfigError, match="not like"):
        _ = config(columns="Lon").column_names


@pytest.mark.parametrize(
    "settings",
    [
        {"mosaic": ()},
        {"validation_fraction": 0.5, "test_fraction": 0.5},
        {"diameter_min_km": 5.0, "diameter_max_km": 2.0},
        {"latitude_min_deg": 5.0, "latitude_max_deg": -2.0},
        {"illumination": "north"},
        {"crop_size_px": 4},
    ],
)
def test_contradictions_are_refused(settings):
    with pytest.raises(ConfigError):
        config(**settings)
