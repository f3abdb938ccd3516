"""Rules between the parameters of the cluster step."""

import pytest

from lunar_models.config.cluster import ClusterConfig
from lunar_models.errors import ConfigError


def test_k_range_must_not_be_empty() -> None:
    with pytest.raises(ConfigError, match="k_min=5 is above k_max=4"):
        ClusterConfig(crops="", encoder_uri="", k_min=5, k_max=4)


def test_bic_needs_a_likelihood() -> None:
    with pytest.raises(ConfigError, match="method=gmm"):
        ClusterConfig(crops="", encoder_uri="", selection="bic", n_clusters=None)
    ClusterConfig(crops="", encoder_uri="", selection="bic", n_clusters=None, method="gmm")
    ClusterConfig(crops="", encoder_uri="", selection="bic", n_clusters=3)
