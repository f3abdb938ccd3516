"""Wait for other processes that make the same output."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import click

from lunar_models.cropping.storage.output_lock import output_lock
from lunar_models.errors import OutputBusyError

T = TypeVar("T")

_PAUSE_SECONDS = 1.0


def when_free(make: Callable[[], T]) -> T:
    """Call `make` until no other process makes its output; what it returns.

    The other process may then have left what is wanted, and `make` finds it.
    """
    said = False
    while True:
        try:
            return make()
        except OutputBusyError as error:
            if not said:
                click.echo(f"{error} Waiting …")
                said = True
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def alone(output: str | Path) -> Iterator[None]:
    """Hold an output for this process, once no other one does."""
    with ExitStack() as stack:
        when_free(lambda: stack.enter_context(output_lock(output)))
        yield
