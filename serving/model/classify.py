"""Classify request items: prepare, embed, look up. Independent of MLflow and HTTP."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lunar_models.arrays import Float32Array
from lunar_models.errors import CropImageError
from lunar_models.heads.head import Head
from lunar_models.heads.physical import PhysicalPrediction
from serving.model.alignment import align
from serving.model.bundle import Bundle
from serving.model.crop_input import CropInput, read_items
from serving.model.domain import note_domain
from serving.model.exposure import neutral_exposure
from serving.model.physics import fill_physics
from serving.model.preparation import Crop, CropForm, Prepared, ready_to_embed
from serving.model.schema import (
    ClusterAnswer,
    CropAnswer,
    DegradationAnswer,
    EncoderDegradation,
    ItemError,
    ModelAnswer,
    Options,
    SimilarCrater,
    StateAnswer,
)

BATCH = 64
"""Crops per forward pass."""


def classify(
    bundle: Bundle, items: Sequence[Any], *, model: ModelAnswer, options: Options
) -> list[CropAnswer]:
    """Answer each item on its own: a broken one gets an error and harms no other.

    Args:
        bundle: the loaded model.
        items: requests (`CropRequest` or what should be one), in any number.
        model: which model answers.
        options: what applies to all items.

    Returns:
        One answer per item, in order.
    """
    answers: list[CropAnswer] = []
    for start in range(0, len(items), BATCH):
        crops = read_items(items[start : start + BATCH])
        answers += classify_batch(bundle, crops, model=model, options=[options] * len(crops))
    return answers


def warm_up(bundle: Bundle) -> None:
    """Classify a made-up image, so that the first request need not wait for compilers."""
    side = bundle.checkpoint.encoder.crop_size_px + 1
    ramp = np.tile(np.arange(side, dtype=np.uint8), (side, 1))
    buffer = io.BytesIO()
    np.save(buffer, ramp, allow_pickle=False)
    crop = CropInput(buffer.getvalue())
    classify_batch(bundle, [crop], model=ModelAnswer(), options=[Options()])


def classify_batch(
    bundle: Bundle,
    crops: Sequence[Crop],
    *,
    model: ModelAnswer,
    options: Sequence[Options],
) -> list[CropAnswer]:
    """Answer up to `BATCH` items in one forward pass.

    Args:
        bundle: the loaded model.
        crops: encoded images, prepared crops, or why there is none.
        model: which model answers.
        options: one per item.
    """
    form = CropForm.of(bundle.checkpoint)
    answers = [CropAnswer(model=model) for _ in crops]
    good: list[int] = []
    prepared: list[Prepared] = []
    for i, crop in enumerate(crops):
        ready = ready_to_embed(form, crop)
        if isinstance(ready, CropImageError):
            answers[i].error = ItemError(code=ready.code, message=str(ready))
        else:
            prepared.append(ready)
            good.append(i)
    if good:
        _answer(bundle, prepared, [answers[i] for i in good], [options[i] for i in good])
    return answers


def _answer(
    bundle: Bundle,
    prepared: Sequence[Prepared],
    answers: Sequence[CropAnswer],
    options: Sequence[Options],
) -> None:
    aligned = align(bundle.checkpoint, prepared, answers)
    crops = normalise(bundle, neutral_exposure(bundle.checkpoint, prepared, aligned, answers))
    encoder = bundle.checkpoint.encoder
    told = {name: value.numpy() for name, value in encoder.tell(crops).items()}
    embeddings = told["embedding"]
    if bundle.scores and "score" in told:
        fill_scores(np.stack([told["score"], told["score_deviation"]], 1), answers)
    if bundle.scores and (residuals := encoder.residual_table()) is not None:
        diameters = [p.known.get("diameter_km") for p in prepared]
        fill_physics(
            PhysicalPrediction.of(told["physics"], residuals),
            diameters,
            answers,
            bundle.checkpoint.interval_levels,
        )
    finite = np.isfinite(embeddings).all(axis=1)
    for i in np.flatnonzero(~finite).tolist():
        message = "The encoder makes no finite embedding of this image."
        answers[i].error = ItemError(code="no_embedding", message=message)
        answers[i].encoder_degradation = answers[i].physics = None
    kept = np.flatnonzero(finite).tolist()
    if kept:
        _fill(bundle, embeddings[kept], [answers[i] for i in kept], [options[i] for i in kept])
    for i in kept:
        note_domain(bundle, prepared[i].known, answers[i])


def normalise(bundle: Bundle, crops: Float32Array) -> torch.Tensor:
    """Normalise (B, S, S) aligned crops to (B, 1, S, S) as the encoder takes them."""
    return bundle.checkpoint.normalisation(torch.from_numpy(np.ascontiguousarray(crops)))


def fill_scores(scores: Float32Array, answers: Sequence[CropAnswer]) -> None:
    """Put the encoder's own scores, (B, 2) with their standard deviations, into answers."""
    for answer, (score, uncertainty) in zip(answers, scores.tolist(), strict=True):
        answer.encoder_degradation = EncoderDegradation(score=score, uncertainty=uncertainty)


def answer_embeddings(
    bundle: Bundle, embeddings: Float32Array, *, model: ModelAnswer, options: Options
) -> list[CropAnswer]:
    """Answer for (B, D) embeddings that are known already."""
    answers = [CropAnswer(model=model) for _ in embeddings]
    _fill(bundle, embeddings, answers, [options] * len(answers))
    return answers


def _fill(
    bundle: Bundle,
    embeddings: Float32Array,
    answers: Sequence[CropAnswer],
    options: Sequence[Options],
) -> None:
    for answer, embedding, option in zip(answers, embeddings, options, strict=True):
        if option.return_embedding:
            answer.embedding = embedding.tolist()
    if bundle.clusters is not None:
        _fill_clusters(bundle.clusters.assign(embeddings), answers)
    if bundle.head is not None:
        _fill_states(bundle.head, embeddings, answers, options)
    if bundle.neighbours is not None and (k := max(o.top_k for o in options)) > 0:
        found = bundle.neighbours.search(embeddings, k)
        for i, (answer, option) in enumerate(zip(answers, options, strict=True)):
            rows, distances = found.rows[i, : option.top_k], found.distances[i, : option.top_k]
            answer.similar = similar_craters(bundle, rows, distances)


def _fill_clusters(assigned: Any, answers: Sequence[CropAnswer]) -> None:
    for i, answer in enumerate(answers):
        answer.cluster = ClusterAnswer(
            id=int(assigned.cluster_id[i]),
            distance=float(assigned.distance[i]),
            confidence=float(assigned.confidence[i]),
        )
        answer.novelty = float(assigned.novelty[i])


def _fill_states(
    head: Head,
    embeddings: Float32Array,
    answers: Sequence[CropAnswer],
    options: Sequence[Options],
) -> None:
    predicted = head.predict(embeddings)
    for i, (answer, option) in enumerate(zip(answers, options, strict=True)):
        probabilities = predicted.probabilities[i].tolist()
        abstained, least = bool(predicted.abstained[i]), head.abstain_below
        if option.abstain_below >= 0.0:
            abstained, least = max(probabilities) < option.abstain_below, option.abstain_below
        doubt = None
        if abstained:
            doubt = f"The best probability, {max(probabilities):.2f}, is below {least:.2f}."
        inside = predicted.conformal_set[i].tolist()
        answer.state = StateAnswer(
            label=str(predicted.state[i]),
            probabilities=dict(zip(head.states, probabilities, strict=True)),
            conformal_set=[s for s, keep in zip(head.states, inside, strict=True) if keep],
            abstained=abstained,
            reason=doubt,
        )
        answer.degradation = DegradationAnswer(
            score=float(predicted.score[i]), uncertainty=float(predicted.score_std[i])
        )


def similar_craters(
    bundle: Bundle, rows: npt.NDArray[np.int64], distances: Float32Array
) -> list[SimilarCrater]:
    """Catalogue entries of rows of the bundle's reference set."""
    assert bundle.neighbours is not None
    craters = bundle.neighbours.crater_rows(rows)
    return [
        SimilarCrater(**crater, distance=distance)
        for crater, distance in zip(craters, distances.tolist(), strict=True)
    ]
