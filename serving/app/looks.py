"""Record who is shown a model's guess or a known answer about a crater to be labelled."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd
from fastapi import Request

from lunar_models.labelling.looks import Look, record
from serving.app.stores import ask_store

if TYPE_CHECKING:
    from serving.app.labelling import Labelling


def known_answers(
    labelling: "Labelling", labeller: str, crater_id: str, *, guess: bool
) -> list[Look]:
    """List what there is to show about a crater besides people's labels, with a guess or not."""
    found = []
    if (value := labelling.gold.get(crater_id)) is not None:
        found.append(Look(crater_id, labeller, "known answer", "", value))
    if guess and (value := labelling.guesses.get(crater_id)) is not None:
        found.append(Look(crater_id, labeller, "guess", "guesses", value))
    return found


async def note_guesses(request: Request, crater_ids: Iterable[str], model: str) -> None:
    """Record that the caller is shown a model's answers on craters of the labelling, if any are.

    Raises:
        Problem: 503, the store cannot be reached, so nothing may be shown.
    """
    caller = request.scope["caller"].name
    await _note(request, (Look(crater, caller, "guess", model, None) for crater in crater_ids))


async def note_tag(request: Request, name: str, said: pd.DataFrame) -> None:
    """Record that the caller is shown what others said of craters of the labelling by a tag.

    Args:
        request: of the caller.
        name: of the tag.
        said: rows of `TagStore.table`.

    Raises:
        Problem: 503, the store cannot be reached, so nothing may be shown.
    """
    caller = request.scope["caller"].name
    others = said[said["labeller"] != caller]
    rows = zip(others["crater_id"], others["member"], strict=True)
    await _note(request, (Look(c, caller, "tag", name, "yes" if m else "no") for c, m in rows))


async def _note(request: Request, looks: Iterable[Look]) -> None:
    """Record what was not recorded before, whoever shows it again."""
    labelling: Labelling | None = request.app.state.labelling
    if labelling is None:
        return
    fresh = {look for look in looks if labelling.has(look.crater_id)} - labelling.noted
    if not fresh:
        return

    def note() -> None:
        with labelling.store.exclusive() as connection:
            record(connection, sorted(fresh, key=lambda look: look.crater_id))

    await ask_store(note)
    labelling.noted.update(fresh)
