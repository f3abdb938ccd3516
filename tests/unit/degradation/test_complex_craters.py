import pytest

from lunar_models.degradation import complex_craters


@pytest.mark.parametrize(
    ("name", "at_100_km"),
    [
        ("complex_depth_km", 4.18),
        ("complex_rim_height_km", 1.48),
        ("complex_floor_diameter_km", 58.9),
    ],
)
def test_dimensions_at_100_km(name: str, at_100_km: float) -> None:
    """Pike (1977), worked out by hand: 100 to a power is 10 to twice the power."""
    assert getattr(complex_craters, name)(100.0) == pytest.approx(at_100_km, rel=0.005)


def test_central_peaks_stay_below_the_rim() -> None:
    for diameter_km in (20.0, 40.0, 60.0, 80.0):
        height = complex_craters.central_peak_height_km(diameter_km)
        assert 0.2 < height < complex_craters.complex_depth_km(diameter_km)


def test_complex_craters_are_shallower_than_simple_ones_would_be() -> None:
    assert complex_craters.complex_depth_km(50.0) < 0.196 * 50.0**1.01 / 2
