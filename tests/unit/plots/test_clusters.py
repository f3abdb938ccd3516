"""Pictures of clusters show what the arrays say."""

import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from lunar_models.clustering import NOISE
from lunar_models.clustering.projection_2d import sample_rows, view_2d
from lunar_models.colours import UNKNOWN, cluster_colours
from lunar_models.crops.display import display_crop
from lunar_models.plots import cluster_gallery, cluster_map, embedding_views
from lunar_models.plots.groups import cluster_groups, state_groups
from lunar_models.plots.thumbnails import (
    SIDE_PX,
    Bounds,
    Placement,
    bounds_around,
    mosaic_of_thumbnails,
    place,
)

MOON = Bounds(-180, 180, -90, 90)


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (40, 16, 16)).astype(np.uint8)


@pytest.fixture
def lonlat() -> np.ndarray:
    return np.random.default_rng(1).uniform([-90, 0], [0, 60], (40, 2))


def test_groups_differ_in_colour_or_marker() -> None:
    groups = cluster_groups(np.arange(-1, 40))
    assert len({(s.colour, s.marker) for s in groups.styles.values()}) == 41
    assert list(groups.styles)[-1] == NOISE
    assert len(set(cluster_colours(20))) == 20


def test_groups_find_members_and_colours() -> None:
    groups = state_groups(
        np.array([1, 0, 4, 1]), {1: "New", 2: "Semi-New", 3: "Semi-Old", 4: "Old"}
    )
    assert groups.members(1).tolist() == [0, 3]
    np.testing.assert_allclose(groups.rgb()[1], to_rgb(UNKNOWN))
    assert [h.get_label() for h in groups.legend_handles()] == [
        "New (2)", "Semi-New (0)", "Semi-Old (0)", "Old (1)", "no state (1)",
    ]  # fmt: skip


def test_a_cell_shows_one_crater_the_one_nearest_to_its_middle() -> None:
    points = np.array([[0.1, 0.1], [0.5, 0.6], [0.9, 0.4], [1.5, 0.5]])
    # four craters in two cells: too many for moving any aside
    chosen = place(points, Bounds(0, 2, 0, 1), limit=2, aspect=2.0)
    assert chosen.shape == (1, 2)
    assert dict(zip(chosen.rows.tolist(), chosen.cells.tolist(), strict=True)) == {
        1: [0, 0],
        3: [1, 0],
    }


def test_all_of_a_few_craters_are_shown() -> None:
    crowded = np.random.default_rng(0).normal(0.5, 0.02, (150, 2))
    chosen = place(crowded, bounds_around(crowded), limit=600, aspect=1.4)
    assert sorted(chosen.rows) == list(range(150))
    assert len(np.unique(chosen.cells, axis=0)) == 150


def test_up_is_up_and_strays_are_left_out() -> None:
    points = np.array([[-170.0, 80.0], [170.0, -80.0], [500.0, 0.0], [np.nan, 0.0]])
    chosen = place(points, MOON, limit=18, aspect=2.0)
    assert dict(zip(chosen.rows.tolist(), chosen.cells.tolist(), strict=True)) == {
        0: [0, 0],
        1: [5, 2],
    }


def test_a_thumbnail_has_its_border_and_nothing_beside_it(crops) -> None:
    groups = cluster_groups(np.arange(40) % 3)
    picture = mosaic_of_thumbnails(
        crops, groups, Placement(np.array([1]), np.array([[1, 0]]), (1, 2))
    )
    assert picture.shape == (SIDE_PX, 2 * SIDE_PX, 4)
    assert not picture[:, :SIDE_PX].any()
    np.testing.assert_allclose(
        picture[2, SIDE_PX + 20, :3] / 255, to_rgb(cluster_colours(3)[1]), atol=1 / 255
    )
    inside = picture[5:-5, SIDE_PX + 5 : -5]
    assert (inside[..., 0] == inside[..., 2]).all()


def test_groups_of_other_craters_are_refused(crops, lonlat) -> None:
    groups = cluster_groups(np.zeros(39, int))
    with pytest.raises(ValueError, match="39 craters have groups, 40 are to be drawn"):
        cluster_map.map_dots(lonlat, groups, None)
    with pytest.raises(ValueError, match="39 craters"):
        cluster_map.map_thumbnails(lonlat, crops, groups, None)


def test_density_is_per_area_of_the_sphere() -> None:
    bounds = Bounds(0, 80, 0, 40)
    density = cluster_map._density(np.array([[1.0, 39.0], [1.5, 39.5], [79.0, 1.0]]), bounds)
    assert density.shape == (20, 40)
    band = 1737.4**2 * np.radians(2) * (np.sin(np.radians(40)) - np.sin(np.radians(38)))
    assert density[0, 0] == pytest.approx(2e4 / band)
    assert density[-1, -1] > 0
    assert (density > 0).sum() == 2


def test_mean_of_a_group_is_relative_to_each_crop() -> None:
    half = np.uint8([[50, 150]])
    crops = np.stack([half, half // 5])
    np.testing.assert_allclose(
        cluster_gallery._mean_crop(crops, np.array([0, 1]), seed=0), [[0.5, 1.5]]
    )


def test_gallery_runs_from_typical_to_untypical(crops) -> None:
    distance = np.arange(40)[::-1]
    figure = cluster_gallery.gallery(crops, cluster_groups(np.zeros(40, int)), distance, columns=4)
    first, last = figure.axes[0].images[0], figure.axes[3].images[0]
    np.testing.assert_array_equal(first.get_array(), display_crop(crops[39]))
    np.testing.assert_array_equal(last.get_array(), display_crop(crops[0]))


def shown(figure) -> np.ndarray:
    """(H, W, 3): what a reader sees of a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def dots(figure) -> int:
    """How many points are scattered in its first axes."""
    return sum(len(part.get_offsets()) for part in figure.axes[0].collections)


def images(figure) -> int:
    return sum(len(axes.images) for axes in figure.axes)


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def labels(figure) -> tuple[str, str]:
    return figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()


@pytest.mark.parametrize("count", [1, 9])
def test_every_figure_draws(crops, lonlat, count: int) -> None:
    groups = cluster_groups(np.arange(40) % count - (count > 1))
    image = np.zeros((10, 20), np.uint8)
    background = cluster_map.Background(image, Bounds(-90, 0, 0, 60))
    view = view_2d(np.random.default_rng(0).normal(size=(40, 5)), "pca", seed=0)
    view_dots = embedding_views.view_dots(view, groups)
    view_crops = embedding_views.view_thumbnails(view, crops, groups, limit=50)
    variance = embedding_views.explained_variance(view.explained)
    gallery = cluster_gallery.gallery(crops, groups, np.arange(40))
    means = cluster_gallery.mean_images(crops, groups)
    map_dots = cluster_map.map_dots(lonlat, groups, background)
    map_crops = cluster_map.map_thumbnails(lonlat, crops, groups, None)
    density = cluster_map.density_maps(lonlat, groups, background)

    sizes = np.bincount(groups.ids - groups.ids.min())
    assert dots(view_dots) == dots(map_dots) == 40
    assert images(gallery) == min(sizes[0], 10) * count if count == 1 else 40
    assert images(means) == 2 * count
    assert images(density) == count
    assert len(variance.axes[0].patches) == 5
    for figure in (view_dots, view_crops, map_dots, map_crops):
        assert len(legend(figure)) == count
        assert any(f"({sizes.max()})" in text for text in legend(figure))
    for figure in (view_dots, view_crops):
        assert all(re.match(r"principal axis [12] \(.*%", label) for label in labels(figure))
    for figure in (map_dots, map_crops):
        assert labels(figure) == ("longitude (°, east positive)", "latitude (°)")
    for figure in (view_dots, view_crops, variance, gallery, means, map_dots, map_crops, density):
        assert len(np.unique(shown(figure).reshape(-1, 3), axis=0)) > 20


def test_views_are_the_same_for_the_same_seed() -> None:
    embeddings = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
    for kind in ("pca", "tsne"):
        first, again = (view_2d(embeddings, kind, seed=4) for _ in range(2))
        np.testing.assert_array_equal(first.points, again.points)
        assert first.points.shape == (120, 2)
    assert view_2d(embeddings, "pca", seed=0).explained.sum() == pytest.approx(1)


@pytest.mark.slow
def test_umap_is_the_same_for_the_same_seed() -> None:
    embeddings = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
    first, again = (view_2d(embeddings, "umap", seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)


def test_pca_view_is_the_leading_plane() -> None:
    data = np.random.default_rng(0).normal(size=(3000, 3)) * [1, 5, 3] + 100
    view = view_2d(data, "pca", seed=0)
    assert abs(np.corrcoef(view.points[:, 0], data[:, 1])[0, 1]) > 0.99
    assert view.points[:, 0] @ (data[:, 1] - 100) > 0
    np.testing.assert_allclose(view.explained, np.array([25, 9, 1]) / 35, atol=0.02)


def test_sample_rows() -> None:
    assert sample_rows(3, 10, 0).tolist() == [0, 1, 2]
    rows = sample_rows(1000, 100, 1)
    assert len(np.unique(rows)) == 100
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() != sample_rows(1000, 100, 2).tolist()
