import numpy as np
import pandas as pd
import pytest

from lunar_models.degradation.crater_shape import depth_over_diameter, k_over_r2_of_depth
from lunar_models.degradation.diffusion_age import MARE, Diffusivity, diffusion_ages


def test_the_published_diffusivity_gives_the_published_depth():
    # Fassett & Thomson 2014: after 3 Ga at 5.5 m²/Myr a 1 km crater keeps 52 % of its depth
    k_over_r2 = 5.5 * 3000 / 500**2
    kept = depth_over_diameter(k_over_r2) / depth_over_diameter(1e-4)
    assert kept == pytest.approx(0.52, abs=0.02)


def test_depth_and_k_invert_each_other():
    k = np.array([2e-4, 0.01, 0.05, 0.15, 0.29])
    np.testing.assert_allclose(k_over_r2_of_depth(depth_over_diameter(k)), k, rtol=0.02, atol=2e-4)
    assert k_over_r2_of_depth(0.3) == pytest.approx(1e-4)
    assert k_over_r2_of_depth(0.001) == pytest.approx(0.3)
    assert np.isnan(k_over_r2_of_depth(np.nan))


def test_age_is_k_over_diffusivity():
    k = pd.DataFrame({"k_m2": [5500.0], "k_m2_low": [2750.0], "k_m2_high": [11_000.0]})
    ages = diffusion_ages(k, [1.0])
    assert ages.iloc[0].to_dict() == {
        "age_ga": 1.0,
        "age_low_ga": 0.5,
        "age_high_ga": 2.0,
        "flags": "",
    }


def test_diffusivity_may_grow_with_the_crater():
    law = Diffusivity(5.0, 1.0, (0.5, 20.0), 3.0, None)
    ages = diffusion_ages(pd.DataFrame({"k_m2": [1e4, 1e4]}), [1.0, 10.0], law)
    np.testing.assert_allclose(ages["age_ga"], [2.0, 0.2])


@pytest.mark.parametrize(
    ("k_m2", "diameter_km", "flags"),
    [
        (100.0, 0.5, "small"),
        (5000.0, 6.0, "large"),
        (18_000.0, 1.0, "old"),
        (0.3 * 450**2, 0.9, "old erased beyond"),
        (100.0, 2.0, "fresh"),
        (1000.0, 2.0, ""),
    ],
)
def test_ages_outside_the_law_are_flagged(k_m2, diameter_km, flags):
    ages = diffusion_ages(pd.DataFrame({"k_m2": [k_m2]}), [diameter_km], MARE)
    assert ages["flags"].tolist() == [flags]
    assert ages["age_ga"].isna().tolist() == ["beyond" in flags or "fresh" in flags]
    assert ages["age_low_ga"].isna().all()
    assert ages["age_high_ga"].notna().tolist() == ["fresh" in flags]
