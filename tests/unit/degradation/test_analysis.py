from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lunar_models.degradation.analysis import Choices, analyse, in_scheme
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import HARTMANN, SYSTEMS
from lunar_models.degradation.completeness import completeness_km, pixel_limit_km, rollover_km
from lunar_models.degradation.crater_shape import state_of
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.degradation.schemes import SCHEMES
from lunar_models.errors import CatalogueError

AREA = bounds_area(0, 0, 20, 20)
CHOICES = Choices(SYSTEMS["neukum1983"], MARE)


def planted(count=3000, slope=-2.5, smallest_km=1.0, seed=0):
    rng = np.random.default_rng(seed)
    k = rng.uniform(0.001, 0.29, count)
    diameters = smallest_km * rng.random(count) ** (1 / slope)
    return pd.DataFrame(
        {
            "crater_id": [f"c{i}" for i in range(count)],
            "longitude_deg": rng.uniform(0, 20, count),
            "latitude_deg": rng.uniform(0, 20, count),
            "diameter_km": diameters,
            "k_over_r2": k,
            "k_m2": k * (diameters * 500) ** 2,
            "state": pd.array(state_of(k), dtype="Int64"),
        }
    )


def test_counts_slopes_and_densities_of_each_state():
    craters = planted()
    analysis = analyse(craters, AREA, CHOICES)
    table = analysis.populations.set_index("state")
    assert table["craters"].tolist() == [
        3000, *craters["state"].value_counts().sort_index().tolist()
    ]  # fmt: skip
    assert table.loc[0, "population"] == "all"
    assert analysis.states == {1: "New", 2: "Semi-New", 3: "Semi-Old", 4: "Old"}
    assert table["slope_low"].lt(-2.4).all()
    assert table.loc[0, "slope_low"] < -2.5 < table.loc[0, "slope_high"]
    ten = int((craters["diameter_km"] >= 10).sum())
    assert table.loc[0, "n10_per_km2"] == pytest.approx(ten / AREA.area_km2)
    shares = analysis.k_by_diameter.filter(like="share_").sum(axis=1)
    np.testing.assert_allclose(shares[analysis.k_by_diameter["craters"] > 0], 1.0)


def test_craters_outside_do_not_count():
    craters = planted()
    craters.loc[:99, "longitude_deg"] = 25.0
    analysis = analyse(craters, AREA, CHOICES)
    assert len(analysis.craters) == 2900
    assert "2,900 of 3,000" in analysis.notes[0]
    with pytest.raises(CatalogueError, match="None of the 3,000 craters"):
        analyse(craters.assign(longitude_deg=100.0), AREA, CHOICES)


@pytest.mark.parametrize("area", [AREA, bounds_area(-180, -90, 180, 90)])
def test_metres_read_as_kilometres_are_refused(area):
    craters = planted()
    metres = craters.assign(diameter_km=craters["diameter_km"] * 1000)
    with pytest.raises(CatalogueError, match=r"cover it [\d,]+ times.*diameter_m=NAME"):
        analyse(metres, area, CHOICES)


def test_a_saturated_surface_is_counted():
    diameters = np.geomspace(300.0, 1.0, 60)
    per_bin = -np.diff(HARTMANN.density(np.r_[np.inf, diameters]) * AREA.area_km2)
    sizes = np.repeat(diameters, np.rint(-per_bin).astype(int))
    craters = pd.DataFrame(
        {"crater_id": np.arange(len(sizes)).astype(str), "longitude_deg": 10.0,
         "latitude_deg": 10.0, "diameter_km": sizes}
    )  # fmt: skip
    assert len(analyse(craters, AREA, CHOICES).craters) == len(sizes) > 10_000


def test_an_area_may_lie_inside_two_larger_craters():
    nested = pd.DataFrame(
        {
            "crater_id": ["outer", "inner"],
            "longitude_deg": [5.05, 5.05],
            "latitude_deg": [5.05, 5.05],
            "diameter_km": [90.0, 60.0],
        }
    )
    assert len(analyse(nested, bounds_area(5, 5, 5.1, 5.1), CHOICES).craters) == 2


def test_buffered_counting_widens_every_area():
    small = bounds_area(5, 5, 8, 8)
    craters = planted(count=20_000, seed=2)
    centre = analyse(craters, small, CHOICES)
    buffered = analyse(craters, small, Choices(SYSTEMS["neukum1983"], MARE, buffered=True))
    counts = buffered.age.craters / centre.age.craters
    assert counts > 1.01
    # Craters of 1-1.5 km make nearly all of the counts.
    wider = small.buffered_km2(np.array([1.25]))[0] / small.area_km2
    assert wider > 1.02
    n1 = buffered.age.n1_per_km2 / centre.age.n1_per_km2
    assert n1 == pytest.approx(counts / wider, rel=0.01)
    both = buffered.size_frequency["cumulative"][0] / centre.size_frequency["cumulative"][0]
    assert both == pytest.approx(counts / wider, rel=0.02)


def test_n1_is_not_given_below_the_completeness_limit():
    analysis = analyse(planted(smallest_km=2.0), AREA, CHOICES)
    everything = analysis.populations.iloc[0]
    assert everything["completeness_km"] == pytest.approx(2.0, rel=0.01)
    assert np.isnan(everything["n1_per_km2"])
    assert everything["n10_per_km2"] > 0


def test_losses_among_small_craters_show_as_a_rollover():
    craters = planted(count=20_000)
    diameters = craters["diameter_km"].to_numpy()
    assert rollover_km(diameters) < 1.15
    rng = np.random.default_rng(1)
    found = rng.random(len(diameters)) < np.clip((diameters / 2.0) ** 6, 0, 1)
    assert 1.6 < rollover_km(diameters[found]) < 2.3
    assert pixel_limit_km(100.0) == 1.0
    assert completeness_km(diameters, pixel_size_m=250.0) == 2.5
    assert completeness_km(diameters, chosen_km=3.0) == 3.0


def test_incomplete_bins_are_marked():
    table = analyse(planted(), AREA, Choices(SYSTEMS["neukum1983"], MARE, pixel_size_m=300.0))
    everything = table.size_frequency[table.size_frequency["state"] == 0]
    assert everything["complete"].tolist() == (everything["d_low_km"] >= 3.0).tolist()
    assert table.age.diameter_min_km == 3.0


def test_retention_uses_whole_bins_and_reaches_the_surface_age():
    analysis = analyse(planted(), AREA, CHOICES)
    last = analysis.retention.iloc[-1]
    assert last["age_ga"] == pytest.approx(analysis.age.median_ga, rel=0.05)
    assert last["diameter_min_km"] == analysis.populations["completeness_km"].max()
    assert last["diameter_max_km"] == 300.0
    ratio = analysis.retention_by_diameter["d_high_km"] / analysis.retention_by_diameter["d_low_km"]
    np.testing.assert_allclose(ratio, np.sqrt(2))


def test_a_catalogue_without_states_or_depths_still_has_an_age():
    bare = planted()[["crater_id", "longitude_deg", "latitude_deg", "diameter_km"]]
    analysis = analyse(bare, AREA, CHOICES)
    assert analysis.states == {}
    assert analysis.age.craters == 3000
    assert analysis.retention.empty
    assert analysis.crater_ages.empty
    assert analysis.k_by_diameter.empty


def test_craters_larger_than_the_production_function_knows_are_counted_without_an_age():
    basins = planted(count=50, smallest_km=350.0)
    analysis = analyse(basins, bounds_area(-180, -90, 180, 90), CHOICES)
    assert not analysis.age.known
    assert np.isnan(analysis.age.median_ga)
    assert any("no model age" in note and "0.01-300 km" in note for note in analysis.notes)
    assert analysis.populations["craters"][0] == 50
    assert analysis.retention.empty


def test_an_age_from_no_crater_and_one_beyond_the_moons_are_noted():
    few = planted(count=30)
    none = analyse(few, AREA, Choices(SYSTEMS["neukum1983"], MARE, pixel_size_m=10_000.0))
    assert none.age.craters == 0
    assert any("upper limit" in note for note in none.notes)
    crowded = analyse(planted(), bounds_area(0, 0, 20, 20), replace(CHOICES, age_min_km=1.0))
    assert not any("more craters than" in note for note in crowded.notes)
    dense = analyse(
        planted().assign(longitude_deg=0.1, latitude_deg=0.1),
        bounds_area(0, 0, 0.2, 0.2),
        replace(CHOICES, age_min_km=1.0),
    )
    assert any("more craters than" in note for note in dense.notes)


def test_states_of_another_scheme():
    depths = pd.DataFrame({"depth_over_diameter": [0.2, 0.12, 0.05, np.nan], "diameter_km": 2.0})
    renamed = in_scheme(depths, SCHEMES["expert4"])
    assert renamed["state_name"].tolist()[:3] == ["v-fr or r-fr", "r-dr", "v-dr"]
    assert renamed["state"].isna().tolist() == [False, False, False, True]
    stopar = in_scheme(pd.DataFrame({"k_over_r2": [0.001, 0.3]}), SCHEMES["stopar"])
    assert stopar["state_name"].tolist() == ["AA", "C"]
    both = depths.assign(k_over_r2=[0.3, 0.3, 0.001, 0.001])  # K only where there is no depth
    assert in_scheme(both, SCHEMES["expert4"])["state"].tolist() == [1, 2, 3, 1]
    with pytest.raises(CatalogueError, match="d/D or K"):
        in_scheme(pd.DataFrame({"diameter_km": [1.0]}), SCHEMES["stopar"])


def test_complex_craters_are_classed_by_what_is_left_of_their_depth():
    """Copernicus, 93 km and 3.8 km deep, is as fresh as its depth of Pike's law."""
    copernicus = pd.DataFrame({"depth_over_diameter": [3.8 / 93] * 2, "diameter_km": [93.0, 3.0]})
    assert in_scheme(copernicus, SCHEMES["expert4"])["state"].tolist() == [1, 3]
    assert in_scheme(copernicus, SCHEMES["lunar-models"])["state"].tolist() == [1, 4]


def test_our_own_scheme_cuts_depths_where_k_is_cut():
    k = np.array([0.005, 0.03, 0.1, 0.2])
    ours = in_scheme(pd.DataFrame({"k_over_r2": k}), SCHEMES["lunar-models"])
    assert ours["state"].tolist() == state_of(k).tolist()


def test_too_few_craters_to_see_completeness_are_noted():
    analysis = analyse(planted(count=5), AREA, CHOICES)
    assert any("too few" in note and "complete_from_km" in note for note in analysis.notes)
    known = analyse(planted(count=5), AREA, replace(CHOICES, complete_from_km=1.0))
    assert not any("too few" in note for note in known.notes)


def test_diameters_unlike_the_production_function_are_noted():
    shallow = analyse(planted(), AREA, CHOICES)
    assert any("do not follow the production function" in note for note in shallow.notes)
    # From 1 to 1.3 km the production function is nearly a power law of -3.6.
    steep = analyse(planted(count=400, slope=-3.6), AREA, replace(CHOICES, age_max_km=1.3))
    assert not any("production function" in note for note in steep.notes)
