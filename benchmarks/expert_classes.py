"""Compare our states, d/D and K with the classes that experts give by eye.

Prints the table of docs/expert_classes.md and how well the edges of each scheme part its classes,
and draws the figure. The tables of experts are not part of this project.

- ``--expert``: a Robbins table with ``degree`` (v-fr, r-fr, r-dr, v-dr) and ``d_over_D``.
- ``--stopar``: the supplement S2 of Stopar et al. (2017, doi 10.1016/j.icarus.2017.05.022).
- ``--pike``: Pike's (1974) fresh craters, columns ``Diameter (km)`` and ``Depth (km)``.
- ``--mosaic``: with it, the encoder measures K/R² of the experts' craters that lie on it.

    OMP_NUM_THREADS=1 python -m benchmarks.expert_classes --expert FILE --stopar FILE \\
        [--pike FILE ...] [--mosaic FILE --sharp_from_km 2.5] [--figure FILE.png]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.degradation.crater_shape import k_over_r2_of_depth
from lunar_models.degradation.expert_classes import (
    ExpertClass,
    class_summary,
    edge_accuracy,
    expert_classes,
)
from lunar_models.degradation.schemes import SCHEMES
from lunar_models.embedding import measure_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.plots.expert_classes import expert_classes_figure

EXPERT, STOPAR = "Four degrees, 1-4 km", "Stopar et al. (2017), most 40-130 m"
SIMPLE_KM = 15.0
SPLITS = {"expert4": (2, 3), "stopar": (1, 3, 4)}
"""After how many classes each edge of a scheme lies."""


def expert(path: Path) -> list[ExpertClass]:
    """The four degrees of experts."""
    columns = {
        "class": "degree", "depth_over_diameter": "d_over_D", "diameter_km": "DIAM_CIRC_IMG",
    }  # fmt: skip
    return expert_classes(pd.read_csv(path), ("v-fr", "r-fr", "r-dr", "v-dr"), columns)


def stopar(path: Path) -> list[ExpertClass]:
    """The five classes of Stopar et al. (2017)."""
    table = pd.read_csv(path, encoding="latin-1")
    table["diameter_km"] = table["Diameter, crater (m)"] / 1000.0
    table["d_over_d"] = table["depth (m)"] / table["Diameter, crater (m)"]
    columns = {
        "class": "Class (FINAL)", "depth_over_diameter": "d_over_d", "diameter_km": "diameter_km",
    }  # fmt: skip
    return expert_classes(table, ("AA", "A", "AB", "B", "C"), columns)


def measured(path: Path, mosaic: str, encoder: str) -> pd.DataFrame:
    """Class, diameter and K/R² with its 68 % interval of the experts' craters on a mosaic."""
    with tempfile.TemporaryDirectory() as folder:
        crop_set = make_crop_set(
            PreprocessConfig(
                mosaic=(mosaic,), catalogue=str(path), output=folder, crop_size_px=48, workers=1
            )
        )
        prediction = measure_crops(Checkpoint.load(encoder).adapted_to(crop_set), crop_set.crops)
        assert prediction is not None, f"{encoder} predicts no K; give one that does"
        diameter = crop_set.metadata["diameter_km"].to_numpy()
        table = prediction.table(diameter, (0.68,)).assign(
            crater_id=crop_set.metadata["crater_id"].to_numpy(), diameter_km=diameter
        )
    degree = pd.read_csv(path).set_index("CRATER_ID")["degree"]
    return table.assign(**{"class": degree.loc[table["crater_id"]].to_numpy()})


def print_summary(classes: list[ExpertClass]) -> None:
    """Rows of the table in the docs: medians, with 16 and 84 %."""
    for row in class_summary(classes).to_dict("records"):
        cells = [
            f"{row[name]:{kind}} ({row[f'{name}_p16']:{kind}}-{row[f'{name}_p84']:{kind}})"
            for name, kind in (
                ("depth_over_diameter", ".3f"), ("k_over_r2", ".2g"), ("k_m2", ",.0f"),
            )
        ]  # fmt: skip
        shares = " / ".join(f"{100 * row[f'share_{state}']:.0f}" for state in (1, 2, 3, 4))
        print(f"| {row['class']} | {row['craters']} | {' | '.join(cells)} | {shares} |")


def print_edges(scheme: str, classes: list[ExpertClass]) -> None:
    """How well each edge of a scheme parts the classes on its sides."""
    for edge, after in zip(SCHEMES[scheme].depth_edges, SPLITS[scheme], strict=True):
        accuracy = edge_accuracy(classes[:after], classes[after:], edge)
        nearest = max(
            np.arange(0.05, 0.2, 0.005),
            key=lambda depth, n=after: edge_accuracy(classes[:n], classes[n:], depth),
        )
        best = edge_accuracy(classes[:after], classes[after:], nearest)
        print(
            f"{scheme}: d/D {edge:g}, K/R² {float(k_over_r2_of_depth(edge)):.3g}: balanced "
            f"accuracy {accuracy:.3f}; best of all depths {best:.3f}, at {nearest:.3f}"
        )


def main() -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expert", type=Path, required=True)
    parser.add_argument("--stopar", type=Path, required=True)
    parser.add_argument("--pike", type=Path, nargs="*", default=[])
    parser.add_argument("--mosaic")
    parser.add_argument("--encoder", default="pretrained:craters-48")
    parser.add_argument("--sharp_from_km", type=float, default=0.0, help="of the mosaic's relief")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    groups = {EXPERT: expert(arguments.expert), STOPAR: stopar(arguments.stopar)}
    print("| class | craters with d/D | d/D | K/R² from it | K from it [m²] | our states [%] |")
    print("|---|---|---|---|---|---|")
    for classes in groups.values():
        print_summary(classes)
    print_edges("expert4", groups[EXPERT])
    print_edges("stopar", groups[STOPAR])
    for path in arguments.pike:
        fresh = pd.read_csv(path).query("`Diameter (km)` <= @SIMPLE_KM")
        depth = fresh["Depth (km)"] / fresh["Diameter (km)"]
        print(
            f"{path.stem}: {len(fresh)} craters up to {SIMPLE_KM:g} km, median d/D "
            f"{depth.median():.3f}"
        )
    found = pd.DataFrame({"class": [], "k_over_r2": [], "diameter_km": []})
    if arguments.mosaic:
        found = measured(arguments.expert, arguments.mosaic, arguments.encoder)
        sharp = np.where(found["diameter_km"] >= arguments.sharp_from_km, "sharp", "blurred")
        grouped = found.groupby(["class", sharp])[["diameter_km", "k_over_r2"]]
        print(grouped.describe(percentiles=[0.5]).round(4).to_string())
    if arguments.figure:
        edges = {
            EXPERT: SCHEMES["expert4"].depth_edges, STOPAR: SCHEMES["stopar"].depth_edges,
        }  # fmt: skip
        figure = expert_classes_figure(groups, edges, found, sharp_from_km=arguments.sharp_from_km)
        figure.savefig(arguments.figure, dpi=200)


if __name__ == "__main__":
    main()
