from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lunar_models.crops.display import display_crop
from lunar_models.plots.azimuths import azimuth_figure
from lunar_models.plots.crop_checks import (
    QUALITY_PANELS,
    alignment_figure,
    check_figure,
    flip_rate_figure,
    flip_rates,
    quality_figure,
)


def metadata(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(0.5, 1, count) for name, _, _ in QUALITY_PANELS}
    return pd.DataFrame(columns).assign(
        crater_id=[f"crater {n}" for n in range(count)],
        diameter_km=rng.uniform(1, 10, count),
        longitude_deg=rng.uniform(-60, 60, count),
        latitude_deg=rng.uniform(-40, 40, count),
        flipped=rng.random(count) < 0.5,
        sun_azimuth_deg=rng.uniform(0, 360, count),
        rotation_deg=0.0,
    )


def crops(count: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (count, size, size), dtype=np.uint8)


def draw(figure: Figure) -> None:
    figure.savefig(BytesIO(), format="png", dpi=40)


@pytest.mark.parametrize("count", [1, 5, 60])
def test_check_figure_draws_the_rim_of_each_crop(count: int) -> None:
    table = metadata(count)
    figure = check_figure(crops(count), table, context_diameters=2.0)
    draw(figure)
    drawn = [axis for axis in figure.axes if axis.patches]
    assert len(drawn) == min(count, 40)
    circle = drawn[0].patches[0]
    assert circle.radius == 4  # 16 px are two diameters
    assert circle.center == (7.5, 7.5)
    name = drawn[0].get_title().splitlines()[0]
    crater = table.set_index("crater_id").loc[name]
    assert f"{crater['diameter_km']:.1f} km" in drawn[0].get_title()
    assert ("mirrored" in drawn[0].get_title()) == crater["flipped"]


def test_check_figure_depends_on_the_seed_only() -> None:
    def titles(seed: int) -> list[str]:
        figure = check_figure(crops(60), metadata(60), context_diameters=1.5, seed=seed)
        return [axis.get_title() for axis in figure.axes]

    assert titles(1) == titles(1)
    assert titles(1) != titles(2)


def test_alignment_figure_undoes_the_mirroring_and_frames_it() -> None:
    stored, table = crops(64), metadata(64).assign(flipped=np.arange(64) < 3)
    figure = alignment_figure(stored, table)
    draw(figure)
    assert "3 of 64" in figure.get_suptitle()
    before, after = (axis.images[0].get_array() for axis in figure.axes)
    assert np.sum(np.all(before[0] == (0xE6, 0x9F, 0x00), axis=-1)) == 3 * (16 + 2 * 2)
    inside = (slice(2, 18), slice(2, 18))
    np.testing.assert_array_equal(after[inside][..., 0], display_crop(stored[0]))
    np.testing.assert_array_equal(before[inside][..., 0], display_crop(stored[0, :, ::-1]))


def test_alignment_figure_turns_back_what_was_turned() -> None:
    size = 33
    upright = np.full((size, size), 100, np.uint8)
    upright[:10, 14:19] = 200  # a bar in the north
    stored = np.rot90(upright, -1)[None]  # turned clockwise by 90 degrees
    figure = alignment_figure(stored, metadata(1).assign(flipped=False, rotation_deg=90.0))
    before = figure.axes[0].images[0].get_array()[2:35, 2:35, 0].astype(int)
    assert np.abs(before[1:-1, 1:-1] - display_crop(upright)[1:-1, 1:-1]).mean() < 2


@pytest.mark.parametrize("latitude", [(-40, 40), (65, 89), (-89, -65)])
def test_azimuth_figure_points_to_the_sun(latitude: tuple[float, float]) -> None:
    table = metadata(200)
    table["latitude_deg"] = np.random.default_rng(0).uniform(*latitude, 200)
    table.loc[:9, "sun_azimuth_deg"] = np.nan
    figure = azimuth_figure(table)
    draw(figure)
    assert "10 unknown" in figure.get_suptitle()
    (arrows,) = figure.axes[0].collections
    assert arrows.N == 190
    if latitude == (-40, 40):
        turn = np.radians(table["sun_azimuth_deg"].dropna().to_numpy())
        np.testing.assert_allclose(arrows.U, np.sin(turn))
        np.testing.assert_allclose(arrows.V, np.cos(turn))
    else:  # a Sun in the south stands away from the north pole, in the middle of the map
        offsets = arrows.get_offsets()
        away = np.sum(offsets * np.stack((arrows.U, arrows.V), axis=1), axis=1)
        south = np.cos(np.radians(table["sun_azimuth_deg"].dropna().to_numpy())) < 0
        assert ((away > 0) == (south if latitude[0] > 0 else ~south)).all()


def test_quality_figure_shows_every_column_even_a_constant_one() -> None:
    table = metadata(50).assign(valid_fraction=1.0)
    figure = quality_figure(table)
    draw(figure)
    assert [axis.get_title().split(",")[0] for axis in figure.axes] == [
        p[0] for p in QUALITY_PANELS
    ]
    assert sum(patch.get_height() for patch in figure.axes[2].patches) == 50


def test_flip_rates_by_band() -> None:
    table = pd.DataFrame(
        {
            "longitude_deg": [-180.0, -165.1, -165.0, 179.9, 170.0, 165.0],
            "flipped": [True, False, True, False, False, True],
            "illumination_confidence": [1.0, 0.8, 0.9, 1.0, 1.0, 0.7],
        }
    )
    rates = flip_rates(table, band_deg=15)
    assert rates["band_west_deg"].tolist() == [-180, -165, 165]
    assert rates["crops"].tolist() == [2, 1, 3]
    assert rates["flip_rate"].tolist() == pytest.approx([0.5, 1, 1 / 3])
    assert rates["mean_confidence"].tolist() == pytest.approx([0.9, 0.9, 0.9])
    figure = flip_rate_figure(table, band_deg=15)
    draw(figure)
    bars = figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == pytest.approx([0.5, 1, 1 / 3])
