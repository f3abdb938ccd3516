"""Report how a mosaic and a catalogue are interpreted, before anything is cut out."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.catalogue.duplicates import ALIKE, find_duplicates, match_catalogues
from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.catalogue.interpretation import CatalogueReading, called
from lunar_models.catalogue.table import check_rows, read_catalogue
from lunar_models.config.inspect import InspectConfig
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.bowls import heights_doubt
from lunar_models.cropping.inputs import filter_limits, open_mosaics, read_craters
from lunar_models.cropping.placement import choose_mosaics
from lunar_models.cropping.quality import placement_faults
from lunar_models.cropping.single import cut_out
from lunar_models.errors import CatalogueError, LunarModelsError
from lunar_models.mosaic.description import describe_mosaic
from lunar_models.mosaic.raster import Mosaic

SHOWN_CROPS = 5
_LOOKED_AT = 24
"""Craters in which heights are looked for."""
_SHOWN_REASONS = 5
_MANY_DUPLICATES = 0.001
_LEAST_PAIRS = 5


@dataclass
class Inspection:
    """What was understood."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    """Heading -> fact -> its value in words."""
    warnings: list[str] = field(default_factory=list)
    crops: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    """Up to five crops, north up, not turned; by ascending diameter."""
    craters: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Rows of the catalogue, one per crop, with native_px."""

    def text(self) -> str:
        """Return all of it as lines of text."""
        lines = []
        for heading, facts in self.sections.items():
            lines += [heading, *(f"  {name}: {value}" for name, value in facts.items())]
        lines += [f"warning: {warning}." for warning in self.warnings]
        return "\n".join(lines)


def inspect_inputs(config: InspectConfig) -> Inspection:
    """Read mosaics and catalogue as `make_crop_set` would, and cut out five craters only.

    Raises:
        CatalogueError: the catalogue cannot be understood.
        MosaicError: a mosaic cannot be understood.
    """
    found = Inspection()
    mosaics = open_mosaics(config)
    for mosaic in mosaics:
        description = describe_mosaic(mosaic)
        found.sections[f"mosaic {mosaic.path}"] = description.facts
        found.warnings += description.warnings
    reading = understand_catalogue(Path(config.catalogue), config.column_names)
    catalogue, rejected = check_rows(reading, config.catalogue)
    facts = _describe_catalogue(reading, catalogue, rejected)
    found.sections[f"catalogue {config.catalogue}"] = facts
    found.warnings += reading.notes
    if reading.pixels:
        catalogue, _ = read_craters(config, mosaics)
    pairs = find_duplicates(catalogue)
    if len(pairs) > _MANY_DUPLICATES * len(catalogue):
        found.warnings.append(
            f"{len(pairs):,} pairs of entries may be the same crater, such as "
            f"{pairs['crater_id'].iloc[0]} and {pairs['other_id'].iloc[0]}"
        )
    if config.other_catalogue is not None:
        _compare(found, catalogue, config.other_catalogue)
    _place(found, config, mosaics, catalogue)
    return found


def _compare(found: Inspection, catalogue: pd.DataFrame, path: str) -> None:
    """Tell which craters another catalogue holds too, and whether their sizes agree."""
    other, _ = read_catalogue(path)
    if "x_px" in catalogue or "x_px" in other:
        raise CatalogueError(f"{path} can only be compared where both catalogues give places.")
    pairs = match_catalogues(catalogue, other)
    ratio = pairs["diameter_ratio"]
    same = ratio.between(1.0 / ALIKE, ALIKE)
    facts = {"rows": f"{len(other):,} usable", "also in the catalogue": f"{same.sum():,} of them"}
    if same.any():
        example = pairs[same].iloc[0]
        facts["such as"] = f"{example['other_id']}, there {example['crater_id']}"
        facts["diameters"] = f"{ratio[same].median():.3f} times those of the catalogue (median)"
    found.sections[f"other catalogue {path}"] = facts
    if len(pairs) >= _LEAST_PAIRS and same.mean() < 0.5:
        found.warnings.append(
            f"{len(pairs):,} craters lie where {path} has one, but its diameters are "
            f"{ratio.median():.3g} times theirs (median); check units, and radii for diameters"
        )


def _describe_catalogue(
    reading: CatalogueReading, catalogue: pd.DataFrame, rejected: pd.DataFrame
) -> dict[str, str]:
    taken = ", ".join(f"{ours} from {called(theirs)}" for ours, theirs in reading.columns.items())
    unit = "px" if reading.pixels else "km"
    low, middle, high = np.percentile(catalogue[f"diameter_{unit}"], (0, 50, 100))
    facts = {
        "rows": f"{len(catalogue):,} usable, {len(rejected):,} rejected",
        "columns": taken,
        **_describe_places(reading),
        "diameters": f"{low:g} to {high:g} {unit}, median {middle:g} {unit}",
    }
    if len(rejected):
        kinds = rejected["reason"].str.replace(r"=\S+|\(row \d+\)", "", regex=True).value_counts()
        shown = [
            f"{count:,} {str(kind).strip()}" for kind, count in kinds.head(_SHOWN_REASONS).items()
        ]
        facts["rejected"] = "; ".join(shown)
    return facts


def _describe_places(reading: CatalogueReading) -> dict[str, str]:
    names = ("x_px", "y_px") if reading.pixels else ("longitude_deg", "latitude_deg")
    limits = {n: (float(reading.rows[n].min()), float(reading.rows[n].max())) for n in names}
    if reading.pixels:
        texts = [f"{name} {low:g} to {high:g}" for name, (low, high) in limits.items()]
        return {"pixels": f"{', '.join(texts)}, from the upper left corner"}
    (west, east), (south, north) = limits.values()
    return {
        "longitudes": f"{west:g} to {east:g} deg as read, east positive",
        "latitudes": f"{south:g} to {north:g} deg",
    }


def _place(
    found: Inspection,
    config: PreprocessConfig,
    mosaics: tuple[Mosaic, ...],
    catalogue: pd.DataFrame,
) -> None:
    """Count the craters that the mosaics show, and cut out a few of them."""
    place = _placed(mosaics, catalogue, config)
    inside = (place["coverage"] > 0.0).to_numpy()
    reason = placement_faults(place, config)
    large_enough = (reason == "").to_numpy()
    limits = filter_limits(config, pixels="x_px" in catalogue)
    low, high = (limits.get(f"diameter_{end}_km") for end in ("min", "max"))
    usable = large_enough & catalogue["diameter_km"].between(low or 0.0, high or np.inf).to_numpy()
    found.sections["craters in the mosaics"] = {
        "inside": f"{int(inside.sum()):,} of {len(catalogue):,}",
        "large enough": f"{int(usable.sum()):,} with diameter_min_km={low}, "
        f"diameter_max_km={high}, min_native_px={config.min_native_px}",
    }
    if all(mosaic.placed for mosaic in mosaics):
        found.warnings += _other_senses(mosaics, catalogue, config, int(inside.sum()))
    chosen = _spread(catalogue, np.flatnonzero(usable), SHOWN_CROPS)
    if not len(chosen):
        found.warnings.append("no crater can be cut out with these parameters")
        return
    found.craters = catalogue.iloc[chosen].assign(native_px=place["native_px"].iloc[chosen])
    number = place["mosaic"].to_numpy()
    for crater_id, crop in cut_out(config, mosaics, found.craters, number[chosen]):
        if isinstance(crop, LunarModelsError):
            found.warnings.append(f"crater {crater_id} cannot be cut out: {crop}")
            crop = np.zeros((config.crop_size_px,) * 2, np.uint8)
        found.crops.append(crop)
    if config.shade is None:
        looked_at = _spread(catalogue, np.flatnonzero(usable), _LOOKED_AT)
        cut = cut_out(config, mosaics, catalogue.iloc[looked_at], number[looked_at])
        crops = np.array([crop for _, crop in cut if not isinstance(crop, LunarModelsError)])
        doubt = heights_doubt(crops, config.context_diameters) if len(crops) else None
        found.warnings += [doubt] if doubt is not None else []


def _placed(
    mosaics: tuple[Mosaic, ...], catalogue: pd.DataFrame, config: PreprocessConfig
) -> pd.DataFrame:
    return choose_mosaics(
        mosaics,
        catalogue,
        context_diameters=config.context_diameters,
        crop_size_px=config.crop_size_px,
    )


def _other_senses(
    mosaics: tuple[Mosaic, ...], catalogue: pd.DataFrame, config: PreprocessConfig, inside: int
) -> list[str]:
    """Whether far more craters would lie in the mosaics if longitudes meant something else."""
    east, north = catalogue["longitude_deg"], catalogue["latitude_deg"]
    senses = {
        "longitudes were positive west": (-east, north),
        "longitudes were counted from the antimeridian": (east + 180.0, north),
    }
    if east.abs().max() <= 90.0:
        senses["longitudes and latitudes were exchanged"] = (north, east)
    warnings = []
    for sense, (longitude, latitude) in senses.items():
        turned = catalogue.assign(
            longitude_deg=(longitude + 180.0) % 360.0 - 180.0, latitude_deg=latitude
        )
        count = int((_placed(mosaics, turned, config)["coverage"] > 0.0).sum())
        if count > 2 * inside and count > 0.2 * len(catalogue):
            warnings.append(
                f"{count:,} craters would lie in the mosaics if {sense}, {inside:,} do as they are"
            )
    return warnings


def _spread(
    catalogue: pd.DataFrame, candidates: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.int64]:
    """Rows of up to `count` craters from small to large."""
    order = candidates[np.argsort(catalogue["diameter_km"].to_numpy()[candidates], kind="stable")]
    if len(order) <= count:
        return order
    shares = (np.arange(count) + 0.5) / count
    return order[(shares * len(order)).astype(np.int64)]
