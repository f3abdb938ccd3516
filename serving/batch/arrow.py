"""Store tables as Arrow files, of which each process maps only the rows it needs."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from lunar_models import page_cache

_PIECE = 65_536


def write_rows(path: Path, table: pd.DataFrame) -> None:
    """Write a table (its index is left out) as an Arrow IPC file."""
    whole = pa.Table.from_pandas(table, preserve_index=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=_PIECE)


def read_rows(
    path: Path, start: int = 0, stop: int | None = None, *, columns: list[str] | None = None
) -> pd.DataFrame:
    """Read rows `start` to `stop` of a file that `write_rows` wrote."""
    with pa.memory_map(str(path)) as source:
        whole = pa.ipc.open_file(source).read_all()
        part = whole if columns is None else whole.select(columns)
        length = len(whole) - start if stop is None else stop - start
        frame: pd.DataFrame = part.slice(start, length).to_pandas()
        return frame


def give_memory_back() -> None:
    """Give freed memory back to the system, that of Arrow's own allocator too."""
    pa.default_memory_pool().release_unused()
    page_cache.give_memory_back()
