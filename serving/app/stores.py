"""Ask the databases of labels and tags from a route."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from lunar_models.errors import LabelStoreError
from serving.app.problems import Problem

T = TypeVar("T")


async def ask_store(work: Callable[[], T]) -> T:
    """Run work on a store in a thread; a database that does not answer is a reason to ask again.

    Raises:
        Problem: 503.
    """
    try:
        return await asyncio.to_thread(work)
    except LabelStoreError as error:
        headers = {"retry-after": "2"}
        detail = "The store of labels does not answer; nothing is lost, send again."
        raise Problem(503, "store_unreachable", detail, headers) from error
