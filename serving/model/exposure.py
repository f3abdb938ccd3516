"""Judge crops of unknown exposure as if they were as bright as the mosaic of the training crops."""

from collections.abc import Sequence

import numpy as np

from lunar_models.arrays import Float32Array
from lunar_models.encoders.checkpoint import Checkpoint
from serving.model.preparation import Prepared
from serving.model.schema import CropAnswer, QualityWarning


def neutral_exposure(
    checkpoint: Checkpoint,
    prepared: Sequence[Prepared],
    crops: Float32Array,
    answers: Sequence[CropAnswer],
) -> Float32Array:
    """Scale crops that cannot have been exposed like the mosaic to its mean, and warn of it.

    Encoders that compare a crop's brightness with its mosaic's read darkness as a low Sun. An image
    that was sent may have been stretched or stored otherwise: one that is darker or brighter than
    they can tell (`Encoder.brightness_limits`) says nothing about the Sun. What the service cuts
    from its own mosaic stays as it is.

    Args:
        checkpoint: of the encoder.
        prepared: B items.
        crops: (B, S, S) of them, aligned, in crop units.
        answers: theirs, to which warnings are added.

    Returns:
        (B, S, S) in crop units.
    """
    limits, level = checkpoint.encoder.brightness_limits, checkpoint.normalisation.level
    if limits is None or level is None:
        return crops
    black = checkpoint.normalisation.black_level
    brightness = (crops.mean((1, 2), dtype=np.float64) + black) / level
    for i in np.flatnonzero((brightness < limits[0]) | (brightness > limits[1])).tolist():
        if prepared[i].cut_here or brightness[i] <= 0.0:
            continue
        crops[i] = (crops[i] + black) / brightness[i] - black
        message = (
            f"The image is {brightness[i]:.2g} times as bright as the mosaic that the model knows, "
            "so its exposure is unknown and its brightness was not taken for a sign of the Sun's "
            "height. Send the brightness of that mosaic, or ask for the crater (GET /v1/locate)."
        )
        answers[i].warnings.append(QualityWarning(code="exposure_unknown", message=message))
    return crops
