"""Read which craters a labelling asks about, and which it shows with their answers."""

from collections.abc import Collection

from lunar_models.config.label import LabelConfig
from lunar_models.errors import LabelsError
from lunar_models.labelling import Scheme
from lunar_models.labelling.answers import read_answers, read_order
from lunar_models.labelling.design import random_order


def within(path: str | None, scheme: Scheme, known: Collection[str]) -> dict[str, str]:
    """Read the known answers of craters that have a crop; none without a table.

    Raises:
        LabelsError: the table cannot be used, or none of its craters has a crop.
    """
    if path is None:
        return {}
    answers = {c: state for c, state in read_answers(path, scheme).items() if c in known}
    if not answers:
        raise LabelsError(f"No crater of {path} has a crop; give labels of craters that have one.")
    return answers


def scheme_examples(scheme: Scheme, known: Collection[str]) -> dict[str, str]:
    """Return the state of each crater that a scheme names as an example.

    Raises:
        LabelsError: one of them has no crop.
    """
    examples = {crater: state.name for state in scheme.states for crater in state.examples}
    if missing := sorted(examples.keys() - set(known)):
        raise LabelsError(
            f"Scheme {scheme.name} names {missing[0]} as an example, which has no crop; name "
            "craters of the crop set."
        )
    return examples


def craters_to_label(config: LabelConfig, crops: list[str], apart: Collection[str]) -> list[str]:
    """List the craters to label, in their order, without those that are kept apart.

    Raises:
        LabelsError: the order cannot be read, or one of its craters has no crop.
    """
    if config.order is None:
        return [c for c in random_order(crops, config.seed) if c not in apart]
    order = read_order(config.order)
    if missing := sorted(set(order) - set(crops)):
        raise LabelsError(
            f"{len(missing)} craters of {config.order} have no crop, first {missing[0]}; list "
            "craters of the crop set."
        )
    return [crater for crater in order if crater not in apart]
