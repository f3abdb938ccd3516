import numpy as np
import pandas as pd
import pytest

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.quality import crop_faults, overlap_larger, placement_faults

KM_PER_DEG = np.radians(1) * 1737.4
CONFIG = PreprocessConfig(mosaic=("m.tif",), catalogue="c.csv")


def craters(*rows):
    """(km east, km north, diameter) near the equator."""
    table = pd.DataFrame(
        rows, columns=["longitude_deg", "latitude_deg", "diameter_km"], dtype=float
    )
    table[["longitude_deg", "latitude_deg"]] /= KM_PER_DEG
    return table


def test_overlap_of_planted_discs():
    table = craters((0, 0, 100), (0, 0, 10), (50, 0, 2), (60, 0, 10), (300, 0, 10), (300, 0, 10))
    overlap = overlap_larger(table, table)
    assert overlap[0] == 0
    assert overlap[1] == pytest.approx(1)  # wholly inside
    assert overlap[2] == pytest.approx(0.49, abs=0.02)  # centred on a rim
    assert overlap[3] == 0  # outside
    assert (overlap[4:] == 0).all()  # equal is not larger


@pytest.mark.parametrize("second", [390, 900])  # of the same octave of sizes, and of another
def test_parts_inside_several_larger_craters_are_joined(second):
    table = craters((0, 0, 2), (200, 0, 400), (0, second / 2, second))
    assert overlap_larger(table, table)[0] == pytest.approx(1 - 0.5 * 0.5, abs=0.01)


def test_overlap_on_the_rim_is_half():
    table = craters((0, 0, 400), (200, 0, 1))
    assert overlap_larger(table, table)[1] == pytest.approx(0.5, abs=0.005)


def test_overlap_agrees_with_sampling():
    """Monte Carlo: the part of one disc inside another of any size and distance."""
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (400_000, 2))
    points = points[np.hypot(*points.T) < 1] * 5.0
    for distance, diameter in ((3.0, 12.0), (8.0, 14.0), (10.5, 13.0)):
        truth = (np.hypot(points[:, 0] - distance, points[:, 1]) < diameter / 2).mean()
        table = craters((0, 0, 10), (distance, 0, diameter))
        assert overlap_larger(table, table)[0] == pytest.approx(truth, abs=0.004)


def test_overlap_across_the_antimeridian_and_at_a_pole():
    seam = pd.DataFrame(
        {"longitude_deg": [179.99, -179.99], "latitude_deg": 0.0, "diameter_km": [5.0, 90.0]}
    )
    pole = pd.DataFrame(
        {"longitude_deg": [0.0, 180.0], "latitude_deg": [89.9, 89.9], "diameter_km": [5.0, 90.0]}
    )
    for table in (seam, pole):
        np.testing.assert_allclose(overlap_larger(table, table), [1.0, 0.0], atol=1e-6)


def test_larger_craters_count_even_if_they_have_no_crop():
    everything = craters((0, 0, 900), (0, 0, 3))
    assert overlap_larger(everything.iloc[1:], everything)[0] == pytest.approx(1)


def test_first_fault_is_the_reason():
    place = pd.DataFrame({"coverage": [0.0, 1.0, 1.0], "native_px": [2.0, 2.0, 20.0]})
    assert placement_faults(place, CONFIG).tolist() == [
        "its centre lies outside the mosaic",
        "native_px is below 8.0",
        "",
    ]


@pytest.mark.parametrize(
    "name",
    ["valid_fraction", "shadow_fraction", "saturated_fraction", "overlap_larger", "contrast"],
)
def test_a_crop_at_a_threshold_is_kept_and_one_beyond_is_not(name):
    limits = {
        "min_valid_fraction": 0.75, "max_shadow_fraction": 0.5, "max_saturated_fraction": 0.25,
        "max_overlap_larger": 0.5, "min_contrast": 0.125,
    }  # fmt: skip
    config = PreprocessConfig(mosaic=("m.tif",), catalogue="c.csv", **limits)
    row = {limit.split("_", 1)[1]: value for limit, value in limits.items()}
    assert crop_faults(pd.DataFrame([row]), config).tolist() == [""]
    beyond = -1e-3 if name in ("valid_fraction", "contrast") else 1e-3
    (fault,) = crop_faults(pd.DataFrame([row | {name: row[name] + beyond}]), config)
    assert fault.startswith(name)


def test_crop_faults_follow_the_thresholds():
    metadata = pd.DataFrame(
        {
            "valid_fraction": [0.0, 0.5, 1.0, 1.0],
            "shadow_fraction": [0.0, 0.0, 0.4, 0.0],
            "saturated_fraction": 0.0,
            "overlap_larger": 0.0,
            "contrast": 0.2,
        }
    )
    strict = PreprocessConfig(mosaic=("m.tif",), catalogue="c.csv", max_shadow_fraction=0.3)
    assert crop_faults(metadata, strict).tolist() == [
        "the mosaic has no data there",
        "valid_fraction below 0.8",
        "shadow_fraction above 0.3",
        "",
    ]
    assert (crop_faults(metadata, CONFIG) == "").sum() == 2
