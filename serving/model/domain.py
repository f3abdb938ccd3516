"""Warn of craters outside the training domain of encoder or head, and abstain from a label."""

from collections.abc import Mapping

from serving.model.bundle import Bundle
from serving.model.schema import CropAnswer, QualityWarning

NOVEL = 0.999
"""Of a thousand known craters at most one is as far from its cluster."""


def note_domain(bundle: Bundle, known: Mapping[str, float], answer: CropAnswer) -> None:
    """Add warnings, and abstain, where an answer is about a crater unlike those of training.

    Args:
        bundle: the model.
        known: what is known of the crater, by quantity (`training_domain.QUANTITIES`).
        answer: with `novelty` and `state` filled in.
    """
    found: list[QualityWarning] = []
    if phrases := bundle.checkpoint.domain.outside(known):
        message = f"The encoder was trained on other craters: {'; '.join(phrases)}."
        found.append(QualityWarning(code="outside_training", message=message))
    if answer.state is not None and (phrases := bundle.head_domain.outside(known)):
        message = f"No labelled crater was like this one: {'; '.join(phrases)}."
        found.append(QualityWarning(code="outside_training", message=message))
    if answer.novelty is not None and answer.novelty >= NOVEL:
        message = "It looks unlike the craters the model knows: it is farther from its cluster."
        found.append(QualityWarning(code="novel", message=message))
    answer.warnings = [*answer.warnings, *found, *_unknown_terrain(bundle, answer)]
    found += [warning for warning in answer.warnings if warning.code == "other_mosaic"]
    if found and answer.state is not None:
        answer.state.abstained = True
        answer.state.reason = " ".join(warning.message for warning in found)


def _unknown_terrain(bundle: Bundle, answer: CropAnswer) -> list[QualityWarning]:
    """That nobody can tell whether the ground is like that of training; no cause to abstain."""
    parts = {"encoder": bundle.checkpoint.domain}
    if answer.state is not None:
        parts["head"] = bundle.head_domain
    if not (unknown := [part for part, domain in parts.items() if domain.lacks_terrain]):
        return []
    message = (
        f"The brightness and contrast of the ground that the {' and '.join(unknown)} had in "
        "training were not recorded, so other ground is not recognised; train and register again."
    )
    return [QualityWarning(code="terrain_unknown", message=message)]
