"""Hold what the page /label asks about: crops, scheme, design, and the pictures of a crater."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from starlette.requests import Request

from lunar_models.config.label import LabelConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.display import display_alike, display_crop, typical_range
from lunar_models.errors import LabelsError
from lunar_models.labelling import LabelStore, Scheme, default_scheme, read_scheme
from lunar_models.labelling.answers import read_answers
from lunar_models.labelling.assignment import Assignment
from lunar_models.labelling.design import Design
from lunar_models.labelling.looks import Look
from lunar_models.labelling.scheme import MOST_ID
from serving.app.label_tables import craters_to_label, scheme_examples, within
from serving.app.order import FollowedAssignment
from serving.app.problems import Problem
from serving.app.relabelling import Relabelling

if TYPE_CHECKING:  # the crop engine takes seconds to import, and only mosaics need it
    from serving.app.surroundings import Surroundings

EXAMPLES = 3
_TYPICAL = 500
"""Reference craters of each state beside a crater."""


@dataclass(frozen=True)
class Labelling:
    """One worker's share in a labelling."""

    crop_set: CropSet
    scheme: Scheme
    followed: FollowedAssignment
    store: LabelStore
    reference: Mapping[str, str]
    """State of each crater that is shown as an example."""
    gold: Mapping[str, str]
    guesses: Mapping[str, str]
    surroundings: "Surroundings | None"
    relabelling: Relabelling
    edition: str
    """Differs where the pictures do, so that no browser shows those of another set."""

    noted: set[Look] = field(default_factory=set)
    """What is on record already, of what other pages have shown."""

    @property
    def assignment(self) -> Assignment:
        """The tasks by the order as it is now."""
        return self.followed.current()

    def row(self, crater_id: str) -> int:
        """Return where the crater is in the crop set.

        Raises:
            KeyError: nowhere.
        """
        return self._rows[crater_id]

    def has(self, crater_id: str) -> bool:
        """Whether the crater is in the crop set."""
        return crater_id in self._rows

    def picture(self, crater_id: str, *, alike: bool = False) -> bytes:
        """Return the crop as PNG, one pixel a pixel, stretched for display.

        Args:
            crater_id: which.
            alike: stretch it as all others, not by its own brightest and darkest.

        Raises:
            KeyError: there is no such crop.
        """
        stream = io.BytesIO()
        crop = np.array(self.crop_set.crops[self.row(crater_id)])
        shown = display_alike(crop, self.relative_range) if alike else display_crop(crop)
        Image.fromarray(shown).save(stream, "PNG", compress_level=1)
        return stream.getvalue()

    def facts(self, crater_id: str) -> dict[str, Any]:
        """Return size, light and orientation of a crop; None for what is unknown."""
        row, k = self._columns, self.row(crater_id)
        azimuth, rotation = row["sun_azimuth_deg"][k], float(row["rotation_deg"][k])
        mirrored = bool(row["flipped"][k])
        turned = azimuth + rotation
        return {
            "diameter_km": _known(row["diameter_km"][k]),
            "native_px": _known(row["native_px"][k]),
            "sun_azimuth_deg": _known(azimuth),
            "sun_azimuth_std_deg": _known(row["sun_azimuth_std_deg"][k]),
            "sun_in_picture_deg": _known((-turned if mirrored else turned) % 360.0),
            "incidence_deg": _known(row["incidence_deg"][k]),
            "rotation_deg": rotation,
            "mirrored": mirrored,
        }

    def examples(self, crater_id: str) -> dict[str, list[str]]:
        """Name the reference craters of each state whose diameter is nearest to this one's.

        Nothing of the crater but its diameter goes in, so the choice tells nothing about its state.
        """
        diameter = self._columns["diameter_km"]
        own = np.log(diameter[self.row(crater_id)])
        found = {}
        for state, rows in self._reference_rows.items():
            away = np.abs(np.log(diameter[rows]) - own)
            nearest = rows[np.argsort(away, kind="stable")[:EXAMPLES]]
            found[state] = [self._ids[k] for k in nearest]
        return found

    @cached_property
    def relative_range(self) -> tuple[float, float]:
        """The `typical_range` of some hundred crops from all over the set."""
        step = max(1, len(self.crop_set.crops) // _TYPICAL)
        return typical_range(np.array(self.crop_set.crops[::step]))

    @cached_property
    def _columns(self) -> dict[str, Any]:
        metadata = self.crop_set.metadata
        return {name: metadata[name].to_numpy() for name in metadata.columns}

    @cached_property
    def _ids(self) -> list[str]:
        return [str(crater) for crater in self.crop_set.metadata["crater_id"]]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {crater: k for k, crater in enumerate(self._ids)}

    @cached_property
    def _reference_rows(self) -> dict[str, Any]:
        return {
            state: np.array(
                [self._rows[c] for c, name in self.reference.items() if name == state], np.int64
            )
            for state in self.scheme.state_names
        }


def open_labelling(config: LabelConfig) -> Labelling:
    """Open everything that a labelling needs.

    Raises:
        LunarModelsError: crops, tables, scheme, store or mosaic cannot be used, or do not fit
            together.
    """
    crop_set = CropSet.open(config.crops)
    scheme = read_scheme(config.scheme) if config.scheme else default_scheme()
    crops = [str(crater) for crater in crop_set.metadata["crater_id"]]
    known = frozenset(crops)
    if long := next((crater for crater in crops if len(crater) > MOST_ID), None):
        raise LabelsError(
            f"The crater id {long[:40]}… is longer than {MOST_ID} characters; shorten it in the "
            "catalogue and cut the crops again."
        )
    reference = within(config.reference, scheme, known) | scheme_examples(scheme, known)
    gold = within(config.gold, scheme, known)
    if shared := reference.keys() & gold.keys():
        raise LabelsError(f"Crater {min(shared)} is both gold and reference; take it out of one.")
    store = LabelStore(config.store)

    def assign() -> Assignment:
        design = Design(
            craters=craters_to_label(config, crops, reference.keys() | gold.keys()),
            gold=gold,
            double_share=config.double_share,
            repeat_share=config.repeat_share,
            repeat_gap=config.repeat_gap,
            gold_count=config.gold_count,
            seed=config.seed,
        )
        return Assignment(store, scheme, design, timedelta(hours=config.lease_h))

    return Labelling(
        crop_set=crop_set,
        scheme=scheme,
        followed=FollowedAssignment(Path(config.order) if config.order else None, assign),
        store=store,
        reference=reference,
        gold=gold,
        guesses=read_answers(config.guesses, scheme) if config.guesses else {},
        surroundings=_surroundings(config, crop_set),
        relabelling=Relabelling(config.store, config.crops, scheme.name, config.relabel_encoder),
        edition=_edition(config, crop_set),
    )


def _edition(config: LabelConfig, crop_set: CropSet) -> str:
    parts = [crop_set.info.digest]
    if config.mosaic is not None:
        parts.append(config.mosaic)
        file = Path(config.mosaic)
        if file.exists():
            parts.append(str(file.stat().st_mtime_ns))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def _surroundings(config: LabelConfig, crop_set: CropSet) -> "Surroundings | None":
    if config.mosaic is None:
        return None
    from serving.app.surroundings import Surroundings

    return Surroundings(config.mosaic, crop_set)


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def labelling_of(request: Request) -> Labelling:
    """Return what the server labels.

    Raises:
        Problem: 404, nothing.
    """
    labelling: Labelling | None = request.app.state.labelling
    if labelling is None:
        detail = "This server has nothing to label; start it with --labelling, or lunar-label."
        raise Problem(404, "no_labelling", detail)
    return labelling
