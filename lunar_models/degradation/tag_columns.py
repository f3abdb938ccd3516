"""Read the columns of named tags that a table of craters carries, such as ``tag_rayed``."""

import pandas as pd

from lunar_models.errors import CatalogueError

PREFIX = "tag_"
_SAID = {"true": True, "false": False, "1": True, "0": False, "": pd.NA}


def tag_names(frame: pd.DataFrame) -> list[str]:
    """Name the columns of tags that a table has."""
    return [str(name) for name in frame.columns if str(name).startswith(PREFIX)]


def with_tags(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Make the columns of tags boolean, missing where nobody said.

    Args:
        frame: of any kind of file.
        source: how error messages call it.

    Raises:
        CatalogueError: a tag is neither true nor false.
    """
    columns = {}
    for name in tag_names(frame):
        text = frame[name].astype("object").where(frame[name].notna(), "").astype("str")
        text = text.str.strip().str.lower().str.removesuffix(".0")
        if (odd := ~text.isin([*_SAID])).any():
            raise CatalogueError(
                f"{source}, column {name}: {text[odd].iloc[0]!r} is neither true nor false; "
                "correct it, or leave the cell empty."
            )
        columns[name] = text.map(_SAID).astype("boolean")
    return frame.assign(**columns)
