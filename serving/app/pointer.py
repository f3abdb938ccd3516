"""Read and write the pointer file, in which the follower names the model that workers serve."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pointer:
    """The last result of the follower."""

    folder: str | None = None
    """Bundle folder to serve; it has been tried."""
    name: str | None = None
    version: str | None = None
    problem: str | None = None
    """Why the alias could not be looked up, if it could not."""
    refused: str | None = None
    """Why the newest version does not serve, if it does not."""
    newest: str | None = None
    """Version that the alias names, whether it serves or not."""
    previous: dict[str, str | None] | None = None
    """Folder, name and version that served before, for when the folder is damaged."""

    def write(self, file: Path) -> None:
        """Replace the file atomically, so that no reader sees half of it.

        Raises:
            OSError: there is no room, or the folder is gone; the file is as it was.
        """
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w") as stream:
                stream.write(json.dumps(asdict(self)) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, file)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    @classmethod
    def read(cls, file: Path) -> "Pointer":
        """Read the pointer in the file; an empty one if there is none, or it is damaged."""
        try:
            content: Any = json.loads(file.read_text())
            known = {field.name for field in fields(cls)}
            found = cls(**{key: value for key, value in content.items() if key in known})
            return found if isinstance(found.folder, str | None) else cls()
        except (OSError, ValueError, TypeError, AttributeError):
            return cls()

    def fallback(self) -> "Pointer | None":
        """Return the pointer to the model that served before."""
        last = self.previous
        return Pointer(last["folder"], last["name"], last["version"]) if last else None

    def identity(self) -> dict[str, str | None]:
        """Return what `previous` of the next pointer is to be."""
        return {"folder": self.folder, "name": self.name, "version": self.version}
