"""Draw the confound audit: do clusters follow geology or illumination?"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lunar_models.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, new_figure, subplots

KIND_COLOURS = {"geology": GREEN, "lighting": ORANGE, "place": BLUE, "size": PURPLE}

FAINT = 0.05
"""Associations below it are not worth a verdict."""


def audit_figure(audit: pd.DataFrame) -> Figure:
    """Draw what the embedding predicts (left) and what clusters and states follow (right).

    Args:
        audit: property, kind, measure, value, low, high, chance, skill, association,
            state_association.
    """
    order = [kind for kind in KIND_COLOURS if kind in set(audit["kind"])]
    table = audit.sort_values(
        "kind", key=lambda kinds: kinds.map(order.index), kind="stable"
    ).reset_index(drop=True)
    figure = new_figure(10.5, 0.5 * len(table) + 2.2)
    known, followed = subplots(figure, 1, 2, sharey=True)[0]
    rows = np.arange(len(table))[::-1]
    colours = [KIND_COLOURS[kind] for kind in table["kind"]]
    known.barh(rows, table["skill"], color=colours, height=0.7)
    followed.barh(rows, np.maximum(table["association"], 0.0), color=colours, height=0.7)
    nuisance = (table["kind"] != "geology").to_numpy()
    of_states = followed.plot(
        np.maximum(table["state_association"], 0.0)[nuisance],
        rows[nuisance],
        "D",
        color=BLACK,
        markersize=5,
        label="states against the property",
    )
    known.set_yticks(rows, table["property"])
    _annotate(known, rows, table["skill"], [_measured(row) for _, row in table.iterrows()])
    _annotate(followed, rows, table["association"], [f"{x:.2f}" for x in table["association"]])
    known.set(title="What the embedding knows", xlabel="skill of a linear read-out\n"
              "(0 chance, 1 perfect)", xlim=(0, 1.25))  # fmt: skip
    followed.set(title="What clusters and states (diamonds) follow",
                 xlabel="adjusted mutual information\n(0 nothing, 1 the same)",
                 xlim=(0, 1.25))  # fmt: skip
    figure.suptitle(verdict(table), fontweight="bold")
    handles = [Patch(color=KIND_COLOURS[kind], label=kind) for kind in order] + of_states
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def verdict(audit: pd.DataFrame) -> str:
    """Summarise in one sentence what the clusters follow most, geology or a nuisance."""
    geology = audit["kind"] == "geology"
    ours = audit[geology].sort_values("association").iloc[-1]
    theirs = audit[~geology].sort_values("association")
    if theirs.empty:
        return f"Clusters follow {ours['property']} ({ours['association']:.2f})"
    nuisance = theirs.iloc[-1]
    if max(ours["association"], nuisance["association"]) < FAINT:
        return f"Clusters follow nothing measured here (all below {FAINT})"
    first, second = ours, nuisance
    if nuisance["association"] >= ours["association"]:
        first, second = nuisance, ours
    return (
        f"Clusters follow {first['kind']}: {first['property']} {first['association']:.2f}, "
        f"{second['property']} {second['association']:.2f}"
    )


def _measured(row: "pd.Series[Any]") -> str:
    short = "R²" if row["measure"] == "R²" else "bal. acc."
    chance = f" (chance {row['chance']:.2f})" if row["chance"] > 0 else ""
    return f"{short} {row['value']:.2f}{chance}"


def _annotate(axes: Any, rows: Any, lengths: Any, texts: list[str]) -> None:
    for row, length, text in zip(rows, lengths, texts, strict=True):
        axes.text(max(length, 0.0) + 0.02, row, text, va="center")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
