"""Transform embeddings before clustering: centring, scaling, PCA."""

from dataclasses import dataclass

import numpy as np

from lunar_models.arrays import FloatArray


@dataclass(frozen=True)
class Preparation:
    """An affine map ``(embeddings - mean) @ matrix``, fitted together with the clusters."""

    mean: FloatArray
    """(D,) float32."""
    matrix: FloatArray
    """(D, P) float32: scaling and principal axes in one."""

    def apply(self, embeddings: FloatArray) -> FloatArray:
        """Transform (B, D) real embeddings to (B, P) float32."""
        centred = np.asarray(embeddings, dtype=np.float32) - self.mean
        return np.asarray(centred @ self.matrix, dtype=np.float32)


def fit_preparation(
    embeddings: FloatArray, *, standardise: bool, pca_variance: float | None
) -> Preparation:
    """Fit the map on (N, D) embeddings.

    Args:
        embeddings: (N, D) real, finite.
        standardise: divide each dimension by its standard deviation (constant ones stay 0).
        pca_variance: keep the leading principal axes that explain this share; None keeps all
            dimensions and does not rotate.
    """
    data = np.asarray(embeddings, dtype=np.float64)
    mean = data.mean(axis=0)
    deviation = data.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0) if standardise else np.ones_like(deviation)
    matrix = np.diag(1.0 / scale)
    if pca_variance is not None:
        matrix = matrix @ _principal_axes((data - mean) / scale, pca_variance)
    return Preparation(mean.astype(np.float32), matrix.astype(np.float32))


def _principal_axes(centred: FloatArray, share: float) -> FloatArray:
    """(D, P): leading eigenvectors of the covariance, signs fixed by their largest entry."""
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, axes = variances[::-1].clip(min=0), axes[:, ::-1]
    explained = np.cumsum(variances) / max(variances.sum(), np.finfo(float).tiny)
    keep = min(int(np.searchsorted(explained, share - 1e-12)) + 1, len(variances))
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    signed: FloatArray = (axes * np.sign(largest))[:, :keep]
    return signed
