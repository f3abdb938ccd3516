"""Open a crop set: one square of the mosaic per crater, memory-mapped, with its metadata.

A crop set is a folder:

    crops.npy          (N, S, S) uint8, C order, plain NumPy format, opened as a memory map
    metadata.parquet   GeoParquet, N rows in the same order as the crops (`METADATA_COLUMNS`)
    rejected.csv       crater_id, reason: every catalogue row that has no crop, and why
    digests.json       sha256 of each piece of crops.npy, so that changed bytes are noticed
    crop_set.json      `CropSetInfo`; written last, so a folder without it is not a crop set

Crops are *aligned*: turned and mirrored left-right where needed, so that the Sun stands in the
east (on the right) in all of them whose Sun is known. Brightness is stored as the mosaic has it
(`radiometry` says how it was scaled to uint8); `normalisation.Normalisation` is applied when a
crop enters a model.
Pixels without data hold the mean of the crop's valid pixels.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pa_parquet

from lunar_models.crops.digests import CHECKED_PIECES, check_digests, damaged
from lunar_models.errors import CropSetError

FORMAT_VERSION = 3

CROPS_FILE = "crops.npy"
METADATA_FILE = "metadata.parquet"
REJECTED_FILE = "rejected.csv"
INFO_FILE = "crop_set.json"

METADATA_COLUMNS = (
    "crater_id",  # str, unique
    "longitude_deg",  # float64, [-180, 180), east positive
    "latitude_deg",  # float64, [-90, 90]
    "diameter_km",  # float64
    "native_px",  # float32: mosaic pixels across the crop before resampling
    "upsampling",  # float32: crop pixels per mosaic pixel
    "valid_fraction",  # float32 in [0, 1]
    "saturated_fraction",  # float32 in [0, 1]
    "shadow_fraction",  # float32 in [0, 1]
    "contrast",  # float32: standard deviation of the brightness over its mean
    "mean_brightness",  # float32: mean of the valid pixels, in crop units (0-255)
    "sun_azimuth_deg",  # float32 in [0, 360]: on the ground, clockwise from north; NaN unknown
    "sun_azimuth_std_deg",  # float32: circular standard deviation of the belief in it
    "illumination_confidence",  # float32 in [0, 1]: probability that it is right to 15 degrees
    "incidence_deg",  # float32: of the Sun from the vertical; NaN unknown
    "rotation_deg",  # float32 in [-90, 90]: by which the ground is turned, clockwise
    "flipped",  # bool: mirrored left-right after that, because the Sun stood in the west
    "overlap_larger",  # float32 in [0, 1]: part of the crater's disc inside larger craters
    "split",  # str: train, validation or test (spatial blocks, `splits.py`)
)

PLACE_COLUMNS = ("longitude_deg", "latitude_deg", "diameter_km")
"""NaN where the images have no georeference; then there are `PICTURE_COLUMNS` too."""

PICTURE_COLUMNS = ("x_px", "y_px", "diameter_px", "image")
"""Centre from the upper left corner of the image and diameter, float64, and the image's name."""


READING = ("band", "crs", "shade")
"""Parameters by which a mosaic's numbers become brightness at a place (`Mosaic.open`)."""


@dataclass(frozen=True)
class Radiometry:
    """How mosaic brightness became uint8: ``crop = (value - low) * 255 / (high - low)``.

    Frozen for a whole crop set. For a uint8 mosaic it is the identity (low 0, high 255).
    """

    source_dtype: str = "uint8"
    low: float = 0.0
    high: float = 255.0

    @property
    def black_level(self) -> float:
        """Offset that makes a crop proportional to the mosaic's brightness."""
        return self.low * 255.0 / (self.high - self.low)

    def to_uint8(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Scale mosaic values of any real dtype to uint8, same shape; outside is clipped."""
        scaled = (values.astype(np.float32) - self.low) * (255.0 / (self.high - self.low))
        rounded: npt.NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return rounded


@dataclass(frozen=True)
class CropSetInfo:
    """What `crop_set.json` records: everything needed to use or remake the crops."""

    count: int
    crop_size_px: int
    context_diameters: float
    digest: str
    """sha256 over the crops' bytes and ids: equal digests mean equal crop sets."""
    radiometry: Radiometry = field(default_factory=Radiometry)
    normalisation: dict[str, Any] = field(default_factory=dict)
    """`Normalisation.to_dict()`: kind and constants frozen on the training split."""
    preprocess: dict[str, Any] = field(default_factory=dict)
    """The resolved parameters of the preprocess step."""
    sources: dict[str, str] = field(default_factory=dict)
    """Digest of each input file, by its path."""
    alignment: str = "side"
    """``azimuth`` if crops were turned, ``side`` if only mirrored, ``none`` if left alone."""
    statistics: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class CropSet:
    """A finished crop set on disk; opening it reads only the small JSON file."""

    path: Path
    info: CropSetInfo

    @classmethod
    def open(cls, path: str | Path) -> "CropSet":
        """Open a crop set folder.

        Raises:
            CropSetError: not a finished crop set, damaged, or of another format version.
        """
        path = Path(path)
        info_file = path / INFO_FILE
        if not info_file.is_file():
            raise CropSetError(
                f"{path} is not a finished crop set: it has no {INFO_FILE}. "
                "Run the preprocess step with this output folder."
            )
        crop_set = cls(path, _read_info(info_file))
        crop_set._check_size()
        return crop_set

    def __len__(self) -> int:
        return self.info.count

    @cached_property
    def crops(self) -> npt.NDArray[np.uint8]:
        """(N, S, S) uint8, read-only memory map."""
        file, size = self.path / CROPS_FILE, self.info.crop_size_px
        try:
            array: npt.NDArray[np.uint8] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise damaged(file, "it is not a NumPy array of numbers") from error
        if array.shape != (len(self), size, size) or array.dtype != np.uint8:
            raise damaged(
                file, f"it holds {array.dtype} {array.shape}, not uint8 {(len(self), size, size)}"
            )
        return array

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """N rows of `METADATA_COLUMNS`, in the order of the crops (without geometry).

        Crops of images without georeference have `PICTURE_COLUMNS` too.
        """
        return self._read_metadata([*METADATA_COLUMNS, *self._picture_columns()])

    @cached_property
    def rejected(self) -> pd.DataFrame:
        """`crater_id`, `reason`: the catalogue rows that have no crop."""
        return pd.read_csv(self.path / REJECTED_FILE, dtype=str)

    def indices(self, split: str) -> npt.NDArray[np.int64]:
        """Positions of the crops of one split (train, validation, test), ascending."""
        return np.flatnonzero(self._splits == split)

    @cached_property
    def _splits(self) -> "pd.Series[Any]":
        """One byte for each crop: a training needs no more of the metadata."""
        return self._read_metadata(["split"])["split"].astype("category")

    def _picture_columns(self) -> list[str]:
        file = self.path / METADATA_FILE
        try:
            names = pa_parquet.read_schema(file).names
        except (ValueError, OSError):
            return []  # whoever reads it says so
        return [name for name in PICTURE_COLUMNS if name in names]

    def _read_metadata(self, columns: list[str]) -> pd.DataFrame:
        file = self.path / METADATA_FILE
        try:
            table = pd.read_parquet(file, columns=columns)
        except (ValueError, KeyError, OSError) as error:
            raise damaged(file, "it is not Parquet with the columns of a crop set") from error
        if len(table) != len(self):
            raise damaged(file, f"it has {len(table)} rows for {len(self)} crops")
        return table

    def check_bytes(self, pieces: int | None = CHECKED_PIECES) -> None:
        """Compare the crops with the digests that were taken when they were made.

        Args:
            pieces: how many pieces of up to 16 MiB to read, drawn at random; None for all.

        Raises:
            CropSetError: bytes have changed since.
        """
        check_digests(self.path / CROPS_FILE, self.crops, pieces=pieces)

    def _check_size(self) -> None:
        crops_file = self.path / CROPS_FILE
        need = self.info.count * self.info.crop_size_px**2
        have = crops_file.stat().st_size if crops_file.is_file() else 0
        if have < need:
            raise CropSetError(
                f"{crops_file} is damaged: {have} bytes, but {self.info.count} crops need at "
                f"least {need}. Delete the folder and run preprocess again."
            )


def write_info(path: Path, info: CropSetInfo) -> None:
    """Write `crop_set.json` whole or not at all: the last act of making a crop set."""
    fresh = path / f"{INFO_FILE}.new"
    fresh.write_text(json.dumps(asdict(info), indent=2, sort_keys=True) + "\n")
    os.replace(fresh, path / INFO_FILE)


def _read_info(info_file: Path) -> CropSetInfo:
    try:
        fields = json.loads(info_file.read_text())
        version = fields["format_version"]
        radiometry = Radiometry(**fields.pop("radiometry"))
        info = CropSetInfo(radiometry=radiometry, **fields)
        if not all(isinstance(n, int) and n > 0 for n in (info.count, info.crop_size_px)):
            raise ValueError(f"count={info.count}, crop_size_px={info.crop_size_px}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CropSetError(f"{info_file} is damaged ({error}); run preprocess again.") from error
    if version != FORMAT_VERSION:
        raise CropSetError(
            f"{info_file} has format version {version}, this code reads {FORMAT_VERSION}; "
            "run preprocess again."
        )
    return info
