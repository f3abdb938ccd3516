"""The file through which the follower tells the workers which model to serve."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pointer:
    """What the follower last found out."""

    folder: str | None = None
    """Bundle folder to serve."""
    name: str | None = None
    version: str | None = None
    problem: str | None = None
    """Why the alias could not be looked up, if it could not."""

    def write(self, file: Path) -> None:
        """Replace the file at once, so that no reader sees half of it."""
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self)) + "\n")
        os.replace(temporary, file)

    @classmethod
    def read(cls, file: Path) -> "Pointer":
        """The pointer in the file; an empty one if there is none yet."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return cls()
