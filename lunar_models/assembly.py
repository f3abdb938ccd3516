"""From sampled segments to a finished crop set: choose, align, describe, publish."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.compiled import compiled
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.crops import (
    CROPS_FILE,
    METADATA_COLUMNS,
    METADATA_FILE,
    REJECTED_FILE,
    CropSet,
    CropSetInfo,
    Radiometry,
    write_info,
)
from lunar_models.errors import CatalogueError
from lunar_models.illumination import vote_sun_side
from lunar_models.normalisation import Normalisation
from lunar_models.quality import crop_faults
from lunar_models.splits import assign_splits
from lunar_models.warp import MEASURES
from lunar_models.workfolder import Segment, WorkFolder, disk_errors, resolved_settings, write_at

MOON_CRS = "IAU_2015:30100"
BAND_DEG = 15.0
"""Width of the longitude bands of the flip rate."""

_PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
_CHUNK_BYTES = 1 << 24
_SAMPLE_PIXELS = 1 << 24


def assemble(
    work: WorkFolder,
    config: PreprocessConfig,
    *,
    craters: pd.DataFrame,
    rejected: pd.DataFrame,
    segments: Sequence[Segment],
    radiometry: Radiometry,
    sources: dict[str, str],
) -> CropSet:
    """Put the crops of all segments together, aligned, with everything that describes them.

    Args:
        work: all segments in it are sampled.
        config: of the step.
        craters: one row per crop: the catalogue's columns, native_px and overlap_larger.
        rejected: rows rejected before.
        segments: in order.
        radiometry: of the crops.
        sources: digest of each input file.

    Raises:
        CatalogueError: no crop passes the thresholds.
        CropSetError: the disk is full.
    """
    metadata = _describe(work, config, craters, list(segments))
    fault = crop_faults(metadata, config)
    keep = (fault == "").to_numpy()
    if not keep.any():
        raise CatalogueError(
            f"None of the {len(keep)} crops is usable: {fault.value_counts().index[0]}. "
            "Loosen the thresholds or give a mosaic that covers the craters."
        )
    dropped = pd.DataFrame({"crater_id": metadata["crater_id"], "reason": fault})[~keep]
    flipped = metadata["flipped"].to_numpy()
    with disk_errors(work.path):
        crops = _write_crops(work, list(segments), keep, flipped, config)
        metadata = metadata[keep].reset_index(drop=True)
        digest, histogram = _digest(crops, metadata["crater_id"])
        _write_metadata(work.path, metadata)
        rejected = pd.concat([rejected, dropped], ignore_index=True)
        rejected.to_csv(work.path / REJECTED_FILE, index=False)
        info = CropSetInfo(
            count=len(metadata),
            crop_size_px=config.crop_size_px,
            context_diameters=config.context_diameters,
            digest=digest,
            radiometry=radiometry,
            normalisation=_fit_normalisation(crops, metadata, config, radiometry),
            preprocess=resolved_settings(config),
            sources=sources,
            statistics=_statistics(metadata, histogram),
        )
        write_info(work.path, info)
        work.publish()
    return CropSet.open(work.output)


def _describe(
    work: WorkFolder, config: PreprocessConfig, craters: pd.DataFrame, segments: list[Segment]
) -> pd.DataFrame:
    """`METADATA_COLUMNS` of all sampled crops."""
    measures = work.load_measures(segments)
    table = craters.reset_index(drop=True).assign(
        **{name: measures[:, n] for n, name in enumerate(MEASURES)}
    )
    place = {name: table[name].to_numpy() for name in ("longitude_deg", "latitude_deg")}
    east = sun_in_east(config.illumination, evidence=table["evidence"].to_numpy(), **place)
    table = table.assign(
        native_px=table["native_px"].astype(np.float32),
        upsampling=(config.crop_size_px / table["native_px"]).astype(np.float32),
        flipped=east < 0.5,
        illumination_confidence=np.maximum(east, 1.0 - east).astype(np.float32),
        split=assign_splits(
            **place,
            block_deg=config.block_deg,
            validation_fraction=config.validation_fraction,
            test_fraction=config.test_fraction,
            seed=config.seed,
        ),
    )
    return table[list(METADATA_COLUMNS)]


def sun_in_east(
    illumination: str,
    *,
    longitude_deg: npt.NDArray[Any],
    latitude_deg: npt.NDArray[Any],
    evidence: npt.NDArray[Any],
) -> npt.NDArray[np.float64]:
    """Probability (N,) that the Sun stands in the east, as the parameter `illumination` says.

    ``none`` gives 0.5: nothing is known, and nothing is mirrored.
    """
    if illumination == "auto":
        return vote_sun_side(
            longitude_deg=longitude_deg, latitude_deg=latitude_deg, evidence=evidence
        )
    return np.full(len(evidence), {"east": 1.0, "west": 0.0, "none": 0.5}[illumination])


def _write_crops(
    work: WorkFolder,
    segments: list[Segment],
    keep: npt.NDArray[np.bool_],
    flipped: npt.NDArray[np.bool_],
    config: PreprocessConfig,
) -> npt.NDArray[np.uint8]:
    """Move the kept crops, mirrored where needed, to their final file; opened as a memory map."""
    path, size = work.path / CROPS_FILE, config.crop_size_px
    shape = (int(keep.sum()), size, size)
    if not path.exists():
        np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    crops: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    start = path.stat().st_size - crops.nbytes
    target = np.concatenate([[0], np.cumsum(keep)])
    with open(path, "r+b") as file, ThreadPoolExecutor(config.workers or os.cpu_count()) as pool:
        os.posix_fallocate(file.fileno(), 0, start + crops.nbytes)

        def move(segment: Segment) -> None:
            source = work.crops_file(segment)
            if not source.exists():
                return  # moved before this run was interrupted
            offset = start + int(target[segment.start]) * size * size
            with open(source, "rb") as segment_file:
                for a in range(segment.start, segment.stop, max(1, _CHUNK_BYTES // size**2)):
                    part = slice(a, min(a + max(1, _CHUNK_BYTES // size**2), segment.stop))
                    count = part.stop - part.start
                    chunk = np.fromfile(segment_file, np.uint8, count * size * size)
                    chosen = chunk.reshape(count, size, size)
                    mirror(chosen, flipped[part])
                    if not keep[part].all():
                        chosen = chosen[keep[part]]
                    write_at(file.fileno(), chosen, offset)
                    offset += chosen.nbytes
            source.unlink()

        for _ in pool.map(move, segments):
            pass
        os.fsync(file.fileno())
    return crops


@compiled()
def mirror(crops: Any, chosen: Any) -> None:
    """Swap left and right of the chosen crops, (N, S, S) and (N,) bool, in place."""
    for n in range(crops.shape[0]):
        if chosen[n]:
            for k in range(crops.shape[1]):
                row = crops[n, k]
                for i in range(row.size // 2):
                    row[i], row[row.size - 1 - i] = row[row.size - 1 - i], row[i]


def _digest(
    crops: npt.NDArray[np.uint8], crater_id: "pd.Series[str]"
) -> tuple[str, npt.NDArray[np.int64]]:
    """sha256 over the digests of equal pieces of the crops and the ids; histogram of values."""
    step = max(1, _CHUNK_BYTES // crops[0].size)

    def piece(start: int) -> tuple[bytes, npt.NDArray[np.int64]]:
        part = np.ascontiguousarray(crops[start : start + step])
        return hashlib.sha256(part).digest(), _histogram(part.ravel())

    total = hashlib.sha256()
    histogram = np.zeros(256, np.int64)
    with ThreadPoolExecutor() as pool:
        for digest, counts in pool.map(piece, range(0, len(crops), step)):
            total.update(digest)
            histogram += counts
    total.update("\n".join(crater_id).encode())
    return total.hexdigest(), histogram


@compiled()
def _histogram(values: Any) -> Any:
    counts = np.zeros((4, 256), np.int64)  # four, so that equal neighbours do not wait
    for i in range(values.size):
        counts[i & 3, values[i]] += 1
    return counts.sum(axis=0)


def _write_metadata(path: Path, metadata: pd.DataFrame) -> None:
    points = gpd.points_from_xy(metadata["longitude_deg"], metadata["latitude_deg"])
    gpd.GeoDataFrame(metadata, geometry=points, crs=MOON_CRS).to_parquet(
        path / METADATA_FILE, index=False
    )


def _fit_normalisation(
    crops: npt.NDArray[np.uint8],
    metadata: pd.DataFrame,
    config: PreprocessConfig,
    radiometry: Radiometry,
) -> dict[str, Any]:
    """Constants frozen on a seeded sample of the training crops (of all, if there are none)."""
    candidates = np.flatnonzero(metadata["split"] == "train")
    if len(candidates) == 0:
        candidates = np.arange(len(crops))
    count = min(len(candidates), max(1, _SAMPLE_PIXELS // crops[0].size))
    drawn = np.random.default_rng(config.seed).choice(candidates, count, replace=False)
    return Normalisation.fit(
        config.normalisation, crops[np.sort(drawn)], black_level=radiometry.black_level
    ).to_dict()


def _statistics(metadata: pd.DataFrame, histogram: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Plain numbers for JSON: brightness of all pixels and the flip rate by longitude band."""
    values = np.arange(256)
    mean = float((histogram * values).sum() / histogram.sum())
    variance = float((histogram * (values - mean) ** 2).sum() / histogram.sum())
    below = np.cumsum(histogram) / histogram.sum()
    band = np.floor(metadata["longitude_deg"] / BAND_DEG) * BAND_DEG
    rates = metadata.groupby(band)["flipped"].agg(["mean", "size"])
    return {
        "brightness_mean": mean,
        "brightness_std": variance**0.5,
        "brightness_percentiles": {
            str(p): int(np.searchsorted(below, p / 100.0)) for p in _PERCENTILES
        },
        "flip_rate_by_band": {
            f"{west:+.0f}": {"flip_rate": float(row["mean"]), "count": int(row["size"])}
            for west, row in rates.iterrows()
        },
    }
