"""Parameters of the cluster step."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param
from lunar_models.errors import ConfigError

View = Literal["pca", "tsne", "umap"]


class ClusterConfig(StepConfig):
    """Everything that decides how craters are grouped and shown.

    Raises:
        ConfigError: a value is outside its limits, or two parameters contradict each other.
    """

    crops: str = param(help="Crop set folder to cluster.", role="input")
    encoder_uri: str = param(
        help="Encoder: a registered model URI or a checkpoint folder.", role="input"
    )
    head: str | None = param(
        None, help="Classification head that evaluate fitted; adds states to the tables.",
        role="input",
    )  # fmt: skip
    mosaic: tuple[str, ...] = param(
        (), help="Mosaic drawn behind the cluster map (the first, if several).", role="input"
    )
    method: Literal["kmeans", "minibatch_kmeans", "gmm", "spectral", "agglomerative", "hdbscan"] = (
        param("kmeans", help="Clustering method.")
    )
    n_clusters: int | None = param(
        4,
        help="Number of clusters; none lets `selection` choose. HDBSCAN finds its own.",
        minimum=1,
        maximum=256,
    )
    selection: Literal["stability", "silhouette", "bic"] = param(
        "stability", help="How the number of clusters is chosen; bic needs method gmm."
    )
    k_min: int = param(2, help="Smallest number of clusters tried.", minimum=2, maximum=256)
    k_max: int = param(10, help="Largest number of clusters tried.", minimum=2, maximum=256)
    scaling: Literal["none", "standard"] = param(
        "none", help="Scale each embedding dimension to unit variance before clustering."
    )
    pca_variance: float | None = param(
        None,
        help="Keep the principal components that explain this share of the variance; none: all.",
        minimum=0.01,
        maximum=1.0,
    )
    fit_limit: int | None = param(
        None,
        help="Most craters the method is fitted on, the rest are assigned; none suits the method.",
        minimum=10,
    )
    covariance: Literal["full", "tied", "diag", "spherical"] = param(
        "full", help="Covariance of each component (gmm)."
    )
    linkage: Literal["ward", "average", "complete", "single"] = param(
        "ward", help="Distance between groups (agglomerative)."
    )
    graph_neighbours: int = param(
        15,
        help="Neighbours in the graph (spectral) and in the vote (spectral, agglomerative).",
        minimum=1,
        maximum=1000,
    )
    min_cluster_size: int = param(
        50, help="Fewest fitted craters that make a cluster (hdbscan).", minimum=2
    )
    min_samples: int = param(
        10, help="Neighbours that make a crater dense; more calls more craters noise (hdbscan).",
        minimum=1, maximum=1000,
    )  # fmt: skip
    stability_rounds: int = param(
        20, help="Bootstrap rounds for the stability of each cluster; 0 skips it.", minimum=0
    )
    views: tuple[View, ...] = param(("pca", "tsne", "umap"), help="2-D views to draw.")
    view_limit: int = param(
        5_000, help="Most craters t-SNE and UMAP are fitted on.", minimum=50, maximum=1_000_000
    )
    thumbnails: int = param(
        600, help="Most crops drawn as thumbnails in one picture.", minimum=1, maximum=5000
    )
    page_limit: int = param(
        50_000, help="Most craters on the interactive page.", minimum=1, maximum=200_000
    )
    seed: int = param(0, help="Seed of every random choice.", minimum=0, maximum=2**31 - 1)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.k_min > self.k_max:
            raise ConfigError(f"k_min={self.k_min} is above k_max={self.k_max}; swap them.")
        if self.selection == "bic" and self.method != "gmm" and self.n_clusters is None:
            raise ConfigError(
                f"selection=bic needs the likelihood of method=gmm, not method={self.method}; "
                "use selection=stability or silhouette."
            )
        return self
