"""Record who is shown a model's guess or a known answer about a crater to be labelled."""

from typing import TYPE_CHECKING

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


async def note_guess(request: Request, crater_id: str, model: str) -> None:
    """Record that the caller is shown a model's answer on a crater of the labelling, if any.

    Raises:
        Problem: 503, the store cannot be reached, so nothing may be shown.
    """
    labelling: Labelling | None = request.app.state.labelling
    if labelling is None or not labelling.has(crater_id):
        return
    look = Look(crater_id, request.scope["caller"].name, "guess", model, None)

    def note() -> None:
        with labelling.store.exclusive() as connection:
            record(connection, [look])

    await ask_store(note)
