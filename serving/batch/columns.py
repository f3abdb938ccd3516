"""Declare the columns of a release once: type, unit and meaning."""

from collections.abc import Sequence

import pyarrow as pa

EMBEDDING = "embedding"

KNOWN: dict[str, tuple[pa.DataType, str | None, str]] = {
    "crater_id": (pa.string(), None, "Name in the source catalogue."),
    "longitude_deg": (pa.float64(), "deg", "East positive, in [-180, 180)."),
    "latitude_deg": (pa.float64(), "deg", "North positive, planetocentric on the sphere."),
    "diameter_km": (pa.float64(), "km", "Of the source catalogue."),
    "native_px": (pa.float32(), "px", "Mosaic pixels across the crop before resampling."),
    "upsampling": (pa.float32(), None, "Crop pixels per mosaic pixel."),
    "valid_fraction": (pa.float32(), None, "Part of the crop with data."),
    "saturated_fraction": (pa.float32(), None, "Part of the valid pixels at full white."),
    "shadow_fraction": (pa.float32(), None, "Part of the valid pixels in shadow."),
    "contrast": (pa.float32(), None, "Standard deviation of the brightness over its mean."),
    "mean_brightness": (pa.float32(), None, "Mean of the valid pixels, 0-255."),
    "sun_azimuth_deg": (pa.float32(), "deg", "Clockwise from north on the ground; NaN unknown."),
    "sun_azimuth_std_deg": (pa.float32(), "deg", "Standard deviation of the belief in it."),
    "illumination_confidence": (pa.float32(), None, "Probability that it is right to 15 degrees."),
    "incidence_deg": (pa.float32(), "deg", "Of the Sun from the vertical; NaN unknown."),
    "rotation_deg": (pa.float32(), "deg", "By which the crop's ground was turned, clockwise."),
    "flipped": (pa.bool_(), None, "Mirrored left-right after that: the Sun stood in the west."),
    "overlap_larger": (pa.float32(), None, "Part of the crater's disc inside larger craters."),
}
"""What is known of a crater and its crop before the model answers: type, unit, meaning."""

DRAWN = (
    "crater_id", "longitude_deg", "latitude_deg", "diameter_km", "state", "degradation",
    "cluster_id",
)  # fmt: skip
"""What a map draws of a crater, as far as it is there."""

_STATE: dict[str, tuple[pa.DataType, str | None, str]] = {
    "degradation": (pa.float32(), None, "Expected rank of the state, 0 fresh to 1 old."),
    "degradation_uncertainty": (pa.float32(), None, "Standard deviation of that rank."),
    "degradation_low": (pa.float32(), None, "Least rank of the conformal set."),
    "degradation_high": (pa.float32(), None, "Largest rank of the conformal set."),
    "conformal_set": (pa.string(), None, "States that cannot be excluded, separated by |."),
    "abstained": (pa.bool_(), None, "Too uncertain to say; leave it to a person."),
}
_CLUSTER: dict[str, tuple[pa.DataType, str | None, str]] = {
    "cluster_id": (pa.int32(), None, "Cluster, 0 the largest; -1 is noise."),
    "cluster_distance": (pa.float32(), None, "Distance to the cluster in prepared units."),
    "cluster_confidence": (pa.float32(), None, "Belief in cluster_id, 0-1."),
    "novelty": (pa.float32(), None, "Share of the fitted craters closer to their cluster."),
}
_SCORE = (
    (pa.float32(), None, "The encoder's own degradation score, 0-1."),
    (pa.float32(), None, "Standard deviation of the encoder's score."),
)


_PHYSICAL = {
    "k_over_r2": (None, "Topographic diffusion K over the squared radius"),
    "k_m2": ("m2", "Topographic diffusion K, diffusivity times time"),
    "depth_over_diameter": (None, "Depth over diameter"),
}
"""Quantity -> unit and meaning; ends of intervals have its name with ``_low_68`` and so on."""


def schema(
    *,
    states: Sequence[str] | None,
    scores: Sequence[str],
    physical: Sequence[str],
    clusters: bool,
) -> pa.Schema:
    """Return the columns of a release in order, without geometry and embedding.

    Args:
        states: of the head, freshest first; None without a head.
        scores: names of the encoder's score and its standard deviation; empty without.
        physical: columns of `export.tables.physical_table`; empty without.
        clusters: whether craters are assigned to clusters.

    Returns:
        Fields whose metadata hold ``unit`` and ``description``.
    """
    found = dict(KNOWN)
    if states is not None:
        found["state"] = (pa.int32(), None, f"Most probable state, 1 to {len(states)}.")
        if list(states) != [str(k + 1) for k in range(len(states))]:
            found["state_name"] = (pa.string(), None, "Name of the state.")
        for name in states:
            found[f"probability_{name}"] = (pa.float32(), None, f"Calibrated, of state {name}.")
        found |= _STATE
    found |= dict(zip(scores, _SCORE, strict=False))
    found |= {name: _physical(name) for name in physical}
    found |= _CLUSTER if clusters else {}
    return pa.schema([_field(name, *each) for name, each in found.items()])


def _physical(name: str) -> tuple[pa.DataType, str | None, str]:
    if name == "physical_state":
        return pa.int32(), None, "State that K over the squared radius means, 1 the freshest."
    quantity = next(known for known in _PHYSICAL if name.startswith(known))
    unit, meaning = _PHYSICAL[quantity]
    _, end, level = name.removeprefix(quantity).split("_") if name != quantity else ("", "", "")
    return pa.float32(), unit, meaning + (f": {end} end of the {level} % interval." if end else ".")


def _field(name: str, kind: pa.DataType, unit: str | None, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": description, "unit": unit or ""})


def tag_field(name: str) -> pa.Field:
    """Return the column of a tag, ``tag_NAME``; missing where nobody said."""
    kind = name.removeprefix("tag_")
    description = f"Somebody confirmed (true) or rejected (false) that it is {kind}; else missing."
    return _field(name, pa.bool_(), None, description)


def describe(schema: pa.Schema) -> list[dict[str, str | None]]:
    """Describe columns in plain words: name, type, unit, description."""
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "unit": field.metadata[b"unit"].decode() or None,
            "description": field.metadata[b"description"].decode(),
        }
        for field in schema
    ]
