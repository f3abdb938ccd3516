"""Find the trained encoders that come with the package, by URIs such as ``pretrained:NAME``.

Each is a checkpoint folder in `weights`, with its model card as ``README.md``.
"""

from pathlib import Path

from lunar_models.errors import CheckpointError

SCHEME = "pretrained:"
CARD_FILE = "README.md"
_WEIGHTS = Path(__file__).resolve().parent / "weights"


def pretrained_names() -> tuple[str, ...]:
    """Names of the encoders in the package, in alphabetical order."""
    return tuple(sorted(folder.name for folder in _WEIGHTS.iterdir() if folder.is_dir()))


def pretrained_folder(uri: str) -> Path:
    """Return the checkpoint folder behind ``pretrained:NAME``.

    Raises:
        CheckpointError: there is no encoder of that name in the package.
    """
    name = uri.removeprefix(SCHEME)
    if name not in pretrained_names():
        known = ", ".join(SCHEME + each for each in pretrained_names())
        raise CheckpointError(f"{uri!r} is not in this package, which has {known or 'none'}.")
    return _WEIGHTS / name
