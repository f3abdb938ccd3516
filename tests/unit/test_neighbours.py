"""Nearest craters are the truly nearest, found by likeness, name and place."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lunar_models.errors import CheckpointError, LunarModelsError
from lunar_models.neighbours import NeighbourIndex

N, DIM = 2000, 8


def craters(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "crater_id": [f"c{i}" for i in range(n)],
            "longitude_deg": rng.uniform(-180, 180, n),
            "latitude_deg": rng.uniform(-60, 60, n),
            "diameter_km": rng.uniform(1, 10, n),
        }
    )


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (1e4 * (3 + rng.normal(size=(N, DIM)))).astype(np.float32)


@pytest.fixture(scope="module")
def index(embeddings: np.ndarray) -> NeighbourIndex:
    return NeighbourIndex.build(embeddings, craters(), threads=1)


def exact(embeddings: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    apart = ((queries[:, None].astype(np.float64) - embeddings[None]) ** 2).sum(-1)
    return np.argsort(apart, axis=1)[:, :k]


def test_the_nearest_are_found(index: NeighbourIndex, embeddings: np.ndarray) -> None:
    queries = embeddings[:200] + np.float32(300)
    found = index.search(queries, 10)
    truth = exact(embeddings, queries, 10)
    hits = [len(set(a) & set(b)) for a, b in zip(found.rows, truth, strict=True)]
    assert np.mean(hits) >= 9.9
    apart = np.linalg.norm(queries[:, None] - embeddings[found.rows], axis=-1)
    np.testing.assert_allclose(found.distances, apart, rtol=1e-4)
    assert (np.diff(found.distances, axis=1) >= 0).all()


def test_a_member_finds_itself(index: NeighbourIndex, embeddings: np.ndarray) -> None:
    found = index.search(embeddings[::10], 1)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(0, N, 10))
    np.testing.assert_allclose(found.distances, 0, atol=1e-3)


def test_nobody_is_a_neighbour_of_its_own(embeddings: np.ndarray) -> None:
    few = np.repeat(embeddings[:100], 2, axis=0)  # everyone has a twin, which may hide it
    others = NeighbourIndex.build(few, craters(200), threads=1).nearest_others(5, batch=64)
    assert others.shape == (200, 5)
    assert not (others == np.arange(200)[:, None]).any()
    np.testing.assert_array_equal(others[:, 0], np.arange(200) ^ 1)
    pair = NeighbourIndex.build(embeddings[:2], craters(2), threads=1)
    assert pair.nearest_others(5).tolist() == [[1], [0]]


def test_no_more_than_there_are(embeddings: np.ndarray) -> None:
    small = NeighbourIndex.build(embeddings[:3], craters(3))
    assert sorted(small.search(embeddings[:1], 10).rows[0]) == [0, 1, 2]
    lone = NeighbourIndex.build(embeddings[:1], craters(1))
    assert lone.search(embeddings[:2], 5).rows.tolist() == [[0], [0]]


def test_round_trip(index: NeighbourIndex, embeddings: np.ndarray, tmp_path: Path) -> None:
    thumbnails = np.arange(N * 4, dtype=np.uint8).reshape(N, 2, 2)
    full = NeighbourIndex.build(embeddings, craters(), thumbnails=thumbnails, threads=1)
    full.save(tmp_path)
    loaded = NeighbourIndex.load(tmp_path)
    assert isinstance(loaded.embeddings, np.memmap)
    np.testing.assert_array_equal(loaded.thumbnails, thumbnails)
    pd.testing.assert_frame_equal(loaded.craters, full.craters)
    queries = embeddings[:50]
    np.testing.assert_array_equal(loaded.search(queries, 5).rows, index.search(queries, 5).rows)


def test_one_thread_gives_equal_files(embeddings: np.ndarray, tmp_path: Path) -> None:
    for name in ("a", "b"):
        NeighbourIndex.build(embeddings[:300], craters(300), threads=1).save(tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_by_name(index: NeighbourIndex) -> None:
    assert index.row_of("c17") == 17
    assert index.row_of("nobody") is None
    assert index.crater(17)["crater_id"] == "c17"
    assert index.crater(17)["diameter_km"] == craters()["diameter_km"][17]


def test_by_place(embeddings: np.ndarray) -> None:
    # 1 degree is 30.3 km: the small crater lies inside the large one
    table = pd.DataFrame(
        {
            "crater_id": ["large", "small", "date line"],
            "longitude_deg": [10.0, 10.5, 179.99],
            "latitude_deg": [0.0, 0.0, 5.0],
            "diameter_km": [60.0, 4.0, 10.0],
        }
    )
    index = NeighbourIndex.build(embeddings[:3], table)

    def at(longitude: float, latitude: float, diameter: float | None = None) -> int | None:
        return index.row_at(longitude_deg=longitude, latitude_deg=latitude, diameter_km=diameter)

    assert at(10.5, 0.0) == 1
    assert at(10.5, 0.0, 60.0) == 0
    assert at(370.3, 0.0) == 0
    assert at(-179.95, 5.0) == 2
    assert at(50.0, 50.0) is None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda e, t: (e[:5], t[:6]), "as many"),
        (lambda e, t: (e[:0], t[:0]), "at least one"),
        (lambda e, t: (e[:5] * np.nan, t[:5]), "finite"),
        (lambda e, t: (e[:2], t.iloc[[0, 0]]), "repeats"),
        (lambda e, t: (e[:2], t[:2].drop(columns="diameter_km")), "diameter_km"),
    ],
)
def test_bad_reference_sets_are_refused(embeddings: np.ndarray, change, match: str) -> None:
    with pytest.raises(LunarModelsError, match=match):
        NeighbourIndex.build(*change(embeddings, craters()))


def test_a_query_of_another_width_is_refused(index: NeighbourIndex) -> None:
    with pytest.raises(LunarModelsError, match="width 8"):
        index.search(np.zeros((1, 5), np.float32), 1)


@pytest.mark.parametrize("file", ["embeddings.npy", "craters.parquet", "neighbours.json"])
def test_a_damaged_folder_is_refused(index: NeighbourIndex, tmp_path: Path, file: str) -> None:
    index.save(tmp_path)
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:20])
    with pytest.raises(CheckpointError):
        NeighbourIndex.load(tmp_path)


def test_a_missing_graph_is_refused(index: NeighbourIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    (tmp_path / "index.usearch").unlink()
    with pytest.raises(CheckpointError):
        NeighbourIndex.load(tmp_path)


def test_near_craters_closer_than_half_precision_are_ordered_exactly() -> None:
    """The graph keeps float16; more candidates than asked for are compared in float32."""
    rng = np.random.default_rng(0)
    dense = (3.0 + rng.normal(size=(200, 8)) * 2e-3).astype(np.float32)
    embeddings = np.concatenate([rng.normal(size=(300, 8)).astype(np.float32), dense])
    craters = pd.DataFrame({"crater_id": [f"c{n}" for n in range(500)]}).assign(
        longitude_deg=0.0, latitude_deg=0.0, diameter_km=1.0, cluster_id=0, cluster_distance=0.0
    )
    found = NeighbourIndex.build(embeddings, craters, threads=1).search(dense[:50], 10).rows
    distance = np.linalg.norm(embeddings[None] - dense[:50, None], axis=2)
    truth = distance.argsort(axis=1)[:, :10]
    hits = [len({*a} & {*b}) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]
    assert np.mean(hits) > 9.0  # 7 without the further candidates
