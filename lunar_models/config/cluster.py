"""Define the parameters of the cluster step."""

from typing import Literal, Self

from pydantic import model_validator

from lunar_models.config.base import StepConfig, param, specs
from lunar_models.config.databases import refuse_password
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.config.levels import DEFAULT_LEVELS, check_levels
from lunar_models.errors import ConfigError

_EVALUATE = {spec.name: spec for spec in specs(EvaluateConfig)}

View = Literal["pca", "tsne", "umap"]


class ClusterConfig(StepConfig):
    """Everything that decides how craters are grouped and shown.

    Raises:
        ConfigError: a value is outside its limits, or two parameters contradict each other.
    """

    crops: str = param(help="Crop set folder to cluster.", role="input")
    encoder_uri: str = param(
        help="Encoder: pretrained:NAME, a registered model URI or a checkpoint folder.",
        role="input",
    )
    head: str | None = param(
        None, help="Classification head fitted by evaluate; adds states to the tables.",
        role="input",
    )  # fmt: skip
    calibrate: str | None = _EVALUATE["calibrate"].declare(None)
    tags: str | None = param(
        None,
        help="Database of named tags (file, or URL without password); each tag becomes a column "
        "tag_NAME of the tables.",
        role="input",
    )
    interval_levels: tuple[float, ...] = _EVALUATE["interval_levels"].declare(DEFAULT_LEVELS)
    mosaic: tuple[str, ...] = param(
        (),
        help="Mosaic shown as the background of the cluster map (the first, if several).",
        role="input",
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
        "stability", help="Criterion that selects the number of clusters; bic needs method gmm."
    )
    k_min: int = param(2, help="Minimum number of clusters to try.", minimum=2, maximum=256)
    k_max: int = param(10, help="Maximum number of clusters to try.", minimum=2, maximum=256)
    scaling: Literal["none", "standard"] = param(
        "none", help="Scale each embedding dimension to unit variance before clustering."
    )
    pca_variance: float | None = param(
        None,
        help="Fraction of the variance kept by a principal component analysis; none skips it.",
        minimum=0.01,
        maximum=1.0,
    )
    fit_limit: int | None = param(
        None,
        help="Maximum number of craters to fit on; the others are assigned. none: set by "
        "the method.",
        minimum=10,
    )
    covariance: Literal["full", "tied", "diag", "spherical"] = param(
        "full", help="Covariance type of each component (gmm)."
    )
    linkage: Literal["ward", "average", "complete", "single"] = param(
        "ward", help="Linkage criterion (agglomerative)."
    )
    graph_neighbours: int = param(
        15,
        help="Number of neighbours in the affinity graph (spectral) and of the "
        "assignment vote (spectral, agglomerative).",
        minimum=1,
        maximum=1000,
    )
    min_cluster_size: int = param(
        50, help="Minimum number of fitted craters in a cluster (hdbscan).", minimum=2
    )
    min_samples: int = param(
        10, help="Number of neighbours in the core distance; larger values mark more craters "
        "as noise (hdbscan).",
        minimum=1, maximum=1000,
    )  # fmt: skip
    stability_rounds: int = param(
        20, help="Number of bootstrap rounds for the cluster stability; 0 skips it.", minimum=0
    )
    views: tuple[View, ...] = param(
        ("pca", "tsne", "umap"), help="Two-dimensional projections to draw."
    )
    view_limit: int = param(
        5_000, help="Maximum number of craters for t-SNE and UMAP.", minimum=50, maximum=1_000_000
    )
    thumbnails: int = param(
        600,
        help="Maximum number of crops drawn as thumbnails in one figure.",
        minimum=1,
        maximum=5000,
    )
    page_limit: int = param(
        50_000,
        help="Maximum number of craters on the interactive page.",
        minimum=1,
        maximum=200_000,
    )
    analysis: bool = param(
        True,
        help="Log sizes, ages and exports of the craters on the mosaic as well, as analyse with "
        "its defaults does. main leaves that to analyse.",
    )
    seed: int = param(0, help="Random seed.", minimum=0, maximum=2**31 - 1)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        check_levels(self.interval_levels)
        refuse_password("tags", self.tags)
        if self.k_min > self.k_max:
            raise ConfigError(f"k_min={self.k_min} is above k_max={self.k_max}; swap them.")
        if self.selection == "bic" and self.method != "gmm" and self.n_clusters is None:
            raise ConfigError(
                f"selection=bic needs the likelihood of method=gmm, not method={self.method}; "
                "use selection=stability or silhouette."
            )
        return self
