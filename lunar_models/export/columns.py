"""Name the columns of result tables: what an encoder and a clustering give for each crater."""

SCORE_COLUMNS = ("encoder_degradation", "encoder_degradation_uncertainty")
"""An encoder's own degradation score in [0, 1] and its standard deviation."""
CLUSTER_COLUMNS = {
    "cluster_id": "cluster_id",
    "cluster_distance": "distance",
    "cluster_confidence": "confidence",
    "novelty": "novelty",
}
"""Column -> field of `ClusterAssignment`; the names of an answer over REST as a table."""
PHYSICAL_PREFIXES = ("k_over_r2", "k_m2", "depth_over_diameter")
"""How columns of `PhysicalPrediction.table` begin."""
