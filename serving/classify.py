"""From request items to answers: decode, prepare, embed, look up. Knows nothing of MLflow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lunar_models.errors import CropImageError
from lunar_models.illumination import sun_side_evidence
from lunar_models.warp import resize_crop
from serving.bundle import Bundle
from serving.images import decode_base64, decode_image
from serving.schema import (
    ClusterAnswer,
    CropAnswer,
    CropRequest,
    ItemError,
    ModelAnswer,
    StateAnswer,
)

_BATCH = 64
_SUN_SIDES = ("east", "west")
FloatArray = npt.NDArray[np.float32]


def classify(
    bundle: Bundle, items: Sequence[CropRequest], *, model: ModelAnswer
) -> list[CropAnswer]:
    """Answer each item on its own: a broken one gets an error and harms no other.

    Args:
        bundle: the loaded model.
        items: requests, in any number; embedded 64 at a time.
        model: which model answers.

    Returns:
        One answer per item, in order.
    """
    answers: list[CropAnswer] = []
    for start in range(0, len(items), _BATCH):
        answers += _classify_batch(bundle, items[start : start + _BATCH], model)
    return answers


def _classify_batch(
    bundle: Bundle, items: Sequence[CropRequest], model: ModelAnswer
) -> list[CropAnswer]:
    answers = [CropAnswer(model=model) for _ in items]
    good: list[int] = []
    crops: list[FloatArray] = []
    for i, item in enumerate(items):
        try:
            crop, sun_side = prepare(bundle, item)
        except CropImageError as error:
            answers[i].error = ItemError(code=error.code, message=str(error))
            continue
        answers[i].sun_side = "west" if sun_side == "west" else "east"
        good.append(i)
        crops.append(crop)
    if good:
        _fill(bundle, np.stack(crops), [answers[i] for i in good])
    return answers


def prepare(bundle: Bundle, item: CropRequest) -> tuple[FloatArray, str]:
    """Bring one image to the form in which the encoder saw its training crops.

    Returns:
        (S, S) float32 in crop units with the Sun in the east, and the side it stood on.

    Raises:
        CropImageError: the item has no usable image.
    """
    if item.sun_side is not None and item.sun_side not in _SUN_SIDES:
        raise CropImageError("bad_sun_side", "Give 'sun_side' as 'east', 'west' or null.")
    image = decode_image(decode_base64(item.image))
    crop = resize_crop(image, bundle.checkpoint.encoder.crop_size_px).astype(np.float32)
    if not crop.any():
        raise CropImageError("empty", "'image' is black all over; nothing can be seen in it.")
    sun_side = item.sun_side
    if sun_side is None:
        sun_side = "east" if sun_side_evidence(crop[None])[0] >= 0 else "west"
    return (crop[:, ::-1] if sun_side == "west" else crop), sun_side


def embed(bundle: Bundle, crops: FloatArray) -> FloatArray:
    """(B, S, S) prepared crops -> (B, D) embeddings."""
    checkpoint = bundle.checkpoint
    batch = torch.from_numpy(np.ascontiguousarray(crops))
    embeddings: FloatArray = checkpoint.encoder.embed(checkpoint.normalisation(batch)).numpy()
    return embeddings


def _fill(bundle: Bundle, crops: FloatArray, answers: list[CropAnswer]) -> None:
    embeddings = embed(bundle, crops)
    for answer, embedding in zip(answers, embeddings, strict=True):
        answer.embedding = embedding.tolist()
    if bundle.clusters is not None:
        _fill_clusters(bundle.clusters.assign(embeddings), answers)
    if bundle.head is not None:
        _fill_states(bundle.head.predict(embeddings), answers)


def _fill_clusters(assigned: Any, answers: list[CropAnswer]) -> None:
    for i, answer in enumerate(answers):
        answer.cluster = ClusterAnswer(
            id=int(assigned.cluster_id[i]),
            distance=float(assigned.distance[i]),
            confidence=float(assigned.confidence[i]),
            novelty=float(assigned.novelty[i]),
        )


def _fill_states(predicted: Any, answers: list[CropAnswer]) -> None:
    for i, answer in enumerate(answers):
        probabilities = predicted.probabilities[i]
        answer.state = StateAnswer(
            state=int(predicted.state[i]),
            probabilities={str(k + 1): float(p) for k, p in enumerate(probabilities)},
        )
