"""Write crater tables for journals: Robbins' columns and VizieR's fixed columns (CDS).

Robbins (2018, doi 10.1029/2018JE005592); CDS standards for catalogues,
https://vizier.cds.unistra.fr/doc/catstd.htx.
"""

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

_ROBBINS = {
    "crater_id": "CRATER_ID",
    "latitude_deg": "LAT_CIRC_IMG",
    "longitude_deg": "LON_CIRC_IMG",
    "diameter_km": "DIAM_CIRC_IMG",
}


@dataclass(frozen=True)
class Column:
    """What a column of a crater table means."""

    name: str
    unit: str | None
    text: str
    decimals: int | None = None
    """None for whole numbers and text."""


COLUMNS = {
    column.name: column
    for column in (
        Column("crater_id", None, "Identifier of the crater"),
        Column("longitude_deg", "deg", "Planetocentric longitude, east positive, -180 to 180", 6),
        Column("latitude_deg", "deg", "Planetocentric latitude", 6),
        Column("diameter_km", "km", "Diameter of the rim", 5),
        Column("state", None, "Degradation state, 1 the freshest"),
        Column("state_name", None, "Name of the degradation state"),
        Column("depth_over_diameter", None, "Depth over diameter", 4),
        Column("k_over_r2", None, "Diffusion age K over the squared radius", 6),
        Column("k_m2", "m2", "Diffusion age K = diffusivity x time", 1),
        Column("k_m2_low", "m2", "Lower limit of K, 68 %", 1),
        Column("k_m2_high", "m2", "Upper limit of K, 68 %", 1),
        Column("age_ga", "Gyr", "Model age by topographic diffusion", 4),
        Column("age_low_ga", "Gyr", "Lower limit of the age from K, 68 %", 4),
        Column("age_high_ga", "Gyr", "Upper limit of the age from K, 68 %", 4),
        Column("flags", None, "Why the age is an extrapolation"),
    )
}
"""All columns that `journal_table` may have, in order."""


def journal_table(craters: pd.DataFrame, ages: pd.DataFrame) -> pd.DataFrame:
    """Craters with the columns of `COLUMNS` that have a value, in that order.

    Args:
        craters: N craters of an analysis.
        ages: its crater_ages, of some of them.
    """
    table = craters
    if len(ages):
        wanted = ["crater_id", "age_ga", "age_low_ga", "age_high_ga", "flags"]
        table = craters.merge(ages[wanted], on="crater_id", how="left")
    known = [name for name in COLUMNS if name in table and table[name].notna().any()]
    return table[known].reset_index(drop=True)


def write_robbins_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` under Robbins' column names, longitudes 0-360, ours appended in upper case."""
    renamed = table.assign(longitude_deg=table["longitude_deg"] % 360.0)
    names = {name: _ROBBINS.get(name, name.upper()) for name in table.columns.astype("str")}
    ordered = [*_ROBBINS, *(name for name in names if name not in _ROBBINS)]
    renamed = renamed[ordered].rename(columns=names)
    renamed.to_csv(path, index=False, float_format="%.6f")


def write_cds(folder: Path, table: pd.DataFrame, *, title: str) -> None:
    """Write ``craters.dat`` with fixed columns and its ``ReadMe``, as VizieR takes them."""
    texts = {name: [_ascii(text) for text in text_cells(table, name)] for name in table.columns}
    widths = {name: max(1, *map(len, cells)) for name, cells in texts.items()}
    lines = [
        " ".join(texts[name][row].ljust(widths[name]) for name in texts)
        for row in range(len(table))
    ]
    (folder / "craters.dat").write_text("\n".join(lines) + "\n", encoding="ascii")
    start, described = 1, []
    for name, width in widths.items():
        column, end = COLUMNS[name], start + width - 1
        bytes_ = f"{start:4d}" if width == 1 else f"{start:4d}-{end:4d}"
        blank = "" if (table[name].notna() & (table[name].astype("str") != "")).all() else "? "
        described.append(
            f"{bytes_:>9} {_cds_format(table, name, width):<6} {column.unit or '---':<6} "
            f"{name:<14} {blank}{column.text}"
        )
        start = end + 2
    rule = "-" * 80
    readme = [
        _ascii(title), "=" * 80, "", "File Summary:", rule,
        " FileName    Lrecl  Records   Explanations", rule,
        "ReadMe          80        .   This file",
        f"craters.dat {start - 2:7d} {len(table):8d}   The craters", rule, "",
        "Byte-by-byte Description of file: craters.dat", rule,
        "   Bytes Format Units  Label          Explanations", rule, *described, rule, "",
    ]  # fmt: skip
    (folder / "ReadMe").write_text("\n".join(readme) + "\n", encoding="ascii")


def _ascii(text: str) -> str:
    """VizieR takes ASCII only: signs are spelled out, accents left out."""
    spelled = text.replace("°", " deg").replace("²", "2").replace("–", "-")
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore")
    return plain.decode("ascii")


def _cds_format(table: pd.DataFrame, name: str, width: int) -> str:
    decimals = COLUMNS[name].decimals
    if decimals is not None:
        return f"F{width}.{decimals}"
    return f"I{width}" if name == "state" else f"A{width}"


def text_cells(table: pd.DataFrame, name: str) -> list[str]:
    """Write a column as text with its decimals; what is missing is empty."""
    decimals = COLUMNS[name].decimals
    values: list[Any] = table[name].tolist()
    if decimals is None:
        return ["" if pd.isna(value) else str(value) for value in values]
    return ["" if pd.isna(value) else f"{value:.{decimals}f}" for value in values]
