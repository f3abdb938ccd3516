"""Flatten an answer to one row of a table."""

from collections.abc import Iterable
from typing import Any

Prediction = dict[str, Any]
"""What `CropAnswer` describes, as plain values."""


NO_TABLE = (
    "'column' chooses a column of the answer to a table; the images were not sent as one, so leave "
    "it out."
)


def flat(prediction: Prediction) -> dict[str, Any]:
    """Flatten a prediction to columns of a table; what the model does not have is None."""
    state, cluster = prediction["state"] or {}, prediction["cluster"] or {}
    degradation, error = prediction["degradation"] or {}, prediction["error"] or {}
    own = prediction["encoder_degradation"] or {}
    physics = prediction["physics"] or {}
    probabilities = state.get("probabilities", {})
    similar = prediction["similar"]
    return {
        "state": state.get("label"),
        **{f"probability_{name}": value for name, value in probabilities.items()},
        "conformal_set": "|".join(state["conformal_set"]) if state else None,
        "abstained": state.get("abstained"),
        "abstained_because": state.get("reason"),
        "degradation": degradation.get("score"),
        "degradation_uncertainty": degradation.get("uncertainty"),
        "encoder_degradation": own.get("score"),
        "encoder_degradation_uncertainty": own.get("uncertainty"),
        **_physical(physics),
        "cluster_id": cluster.get("id"),
        "cluster_confidence": cluster.get("confidence"),
        "novelty": prediction["novelty"],
        "most_similar": similar[0]["crater_id"] if similar else None,
        "warnings": "|".join(warning["code"] for warning in prediction["warnings"]),
        "model_version": prediction["model"]["version"],
        "error_code": error.get("code"),
        "error_message": error.get("message"),
    }


def _physical(physics: dict[str, Any]) -> dict[str, Any]:
    """Quantities under the names that they have in the steps' tables; none without any."""
    if not physics:
        return {}
    found = {"physical_state": (physics["state"] or {}).get("label")}
    for name in ("k_over_r2", "k_m2", "depth_over_diameter"):
        quantity = physics[name] or {}
        found[name] = quantity.get("value")
        for level in physics["depth_over_diameter"]["intervals"]:
            interval = quantity.get("intervals", {}).get(level, {})
            found |= {f"{name}_{end}_{level}": interval.get(end) for end in ("low", "high")}
    return found


def table(predictions: list[Prediction]) -> list[dict[str, Any]]:
    """Rows of one table: all with the same columns, whatever has failed."""
    rows = [flat(prediction) for prediction in predictions]
    columns = max((list(row) for row in rows), key=len, default=[])
    return [{name: row.get(name) for name in columns} for row in rows]


def no_such_column(columns: Iterable[str]) -> str:
    """Say that an answer has no column of the wanted name, and which it has."""
    return f"'column' is none of {', '.join(columns)}."
