"""Run Python as if only some distributions were installed: the closure of a list of requirements.

    python isolated.py REQUIREMENTS FILE [ARGUMENT ...]

Everything else that is installed here, this project included, cannot be imported.
"""

import importlib.metadata as metadata
import re
import runpy
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from packaging.requirements import Requirement


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: Iterable[str]) -> set[str]:
    """Canonical names of the distributions that an installer would bring."""
    found: set[tuple[str, str]] = set()
    waiting = [(r, extra) for r in map(Requirement, requirements) for extra in ("", *r.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        key = canonical(requirement.name), extra
        if key in found:
            continue
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # not for this platform
        found.add(key)
        for text in distribution.requires or ():
            further = Requirement(text)
            if further.marker is None or further.marker.evaluate({"extra": extra}):
                waiting += [(further, e) for e in ("", *further.extras)]
    return {name for name, _ in found}


class Blocker:
    """Finds nothing that belongs to another distribution."""

    def __init__(self, allowed: set[str]) -> None:
        self.owners = metadata.packages_distributions()
        # The model brings its own copy of the project; the one here is off the path.
        self.allowed = allowed | {"lunar-models"}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        owners = {canonical(owner) for owner in self.owners.get(name, ())}
        if "." not in name and owners and not owners & self.allowed:
            raise ModuleNotFoundError(f"No module named {name!r} (not required)", name=name)
        return None


def main() -> None:
    file, arguments = sys.argv[1], sys.argv[2:]
    with open(file) as lines:
        requirements = [line.strip() for line in lines if line.strip() and line[0] not in "#-"]
    allowed = closure(requirements)
    for name in [m for m in sys.modules if m.partition(".")[0] == "packaging"]:
        del sys.modules[name]
    # This project is installed here as a folder on the path, which the model must not need.
    sys.path[:] = [p for p in sys.path if "site-packages" in p or "lib/python" in p or ".zip" in p]
    sys.meta_path[:] = [f for f in sys.meta_path if "__editable__" not in str(f)]
    sys.meta_path.insert(0, Blocker(allowed))
    sys.argv = arguments
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
