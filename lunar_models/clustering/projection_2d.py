"""Project embeddings to two dimensions with PCA, t-SNE or UMAP, reproducibly for a given seed.

Only PCA preserves distances. t-SNE (van der Maaten & Hinton 2008) and UMAP (McInnes et al.
2018, arXiv:1802.03426) preserve neighbourhoods; the sizes of groups and the gaps between them
have no meaning.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from lunar_models.arrays import FloatArray
from lunar_models.config.cluster import View
from lunar_models.errors import ConfigError

LEAST_DISTINCT = 5
"""Fewer points have no neighbourhoods to show, and t-SNE and UMAP break on them."""

_TITLES = {"tsne": "t-SNE", "umap": "UMAP"}


@dataclass(frozen=True)
class View2D:
    """A two-dimensional projection of N embeddings."""

    kind: View
    points: npt.NDArray[np.float32]
    """(N, 2)."""
    explained: npt.NDArray[np.float64] | None = None
    """PCA: share of the variance along every axis, largest first; 0 where nothing varies."""


def sample_rows(count: int, limit: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw at most `limit` of `count` rows without replacement, in ascending order."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def view_2d(embeddings: FloatArray, kind: View, *, seed: int) -> View2D:
    """Project (N, D) embeddings to two dimensions.

    Sample first with `sample_rows`: t-SNE and UMAP need minutes above about 20,000 rows.

    Raises:
        ConfigError: too few embeddings differ for t-SNE or UMAP, which show neighbourhoods.
    """
    rows = np.asarray(embeddings, dtype=np.float32)
    if kind == "pca":
        return _pca(rows)
    distinct = len(np.unique(rows, axis=0))
    if distinct < LEAST_DISTINCT:
        raise ConfigError(
            f"{_TITLES[kind]} needs {LEAST_DISTINCT} different embeddings, and {len(rows)} craters "
            f"have {distinct}; use more craters, or check the encoder and its crops."
        )
    # t-SNE starts from two principal axes, which one dimension does not have
    rows = np.pad(rows, ((0, 0), (0, max(0, 2 - rows.shape[1]))))
    return View2D(kind, _MAKERS[kind](rows, seed).astype(np.float32))


def _pca(rows: FloatArray) -> View2D:
    with np.errstate(invalid="ignore"):  # 0/0, a share of no variance, where all rows are equal
        model = PCA(svd_solver="covariance_eigh").fit(rows.astype(np.float64))
    points = np.zeros((len(rows), 2), np.float32)
    kept = model.components_[:2]
    # an axis may point either way: let its largest loading be positive
    kept = kept * np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])[:, None]
    points[:, : len(kept)] = (rows - model.mean_) @ kept.T
    explained = np.nan_to_num(model.explained_variance_ratio_)
    return View2D("pca", points, explained)


def _tsne(rows: FloatArray, seed: int) -> FloatArray:
    perplexity = min(30.0, (len(rows) - 1) / 3)
    model = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    with threadpool_limits(1):  # threads add in another order, and the picture would change
        points: FloatArray = model.fit_transform(rows)
    return points


def _umap(rows: FloatArray, seed: int) -> FloatArray:
    from umap import UMAP  # here, because importing it compiles for seconds

    # with a seed UMAP uses one thread; saying so avoids its warning
    model = UMAP(n_neighbors=min(15, len(rows) - 1), min_dist=0.1, random_state=seed, n_jobs=1)
    points: FloatArray = model.fit_transform(rows)
    return points


_MAKERS: dict[str, Callable[[FloatArray, int], FloatArray]] = {"tsne": _tsne, "umap": _umap}
