"""From sampled segments to a finished crop set: choose, align, describe, publish."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.catalogue.geoparquet import write_points
from lunar_models.catalogue.splits import assign_splits
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.illumination import vote_sun_side
from lunar_models.cropping.kernels.measures import MEASURES
from lunar_models.cropping.quality import crop_faults
from lunar_models.cropping.storage.crops_file import CropsFile, kept_order
from lunar_models.cropping.storage.work_folder import (
    Segment,
    WorkFolder,
    disk_errors,
    resolved_settings,
)
from lunar_models.crops.crop_set import (
    METADATA_COLUMNS,
    METADATA_FILE,
    REJECTED_FILE,
    CropSet,
    CropSetInfo,
    Radiometry,
    write_info,
)
from lunar_models.crops.normalisation import Normalisation
from lunar_models.errors import CatalogueError

BAND_DEG = 15.0
"""Width of the longitude bands of the flip rate."""

_PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
_SAMPLE_CROPS = 1024
_SAMPLE_SIDE_PX = 64
"""The normalisation is fitted on so many crops, thinned to at most about twice this side."""


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
    order = kept_order(keep)
    metadata = metadata.iloc[order].reset_index(drop=True)
    with disk_errors(work.path), ThreadPoolExecutor(1, "metadata") as beside:
        described = beside.submit(write_points, work.path / METADATA_FILE, metadata)
        summary = work.crops.finish(
            order,
            metadata["flipped"].to_numpy(),
            metadata["crater_id"].tolist(),
            count=len(keep),
            workers=config.workers or os.cpu_count() or 1,
        )
        described.result()
        rejected = pd.concat([rejected, dropped], ignore_index=True)
        rejected.to_csv(work.path / REJECTED_FILE, index=False)
        info = CropSetInfo(
            count=len(metadata),
            crop_size_px=config.crop_size_px,
            context_diameters=config.context_diameters,
            digest=summary.digest,
            radiometry=radiometry,
            normalisation=_fit_normalisation(work.crops, metadata, config, radiometry),
            preprocess=resolved_settings(config),
            sources=sources,
            statistics=_statistics(metadata, summary.histogram),
        )
        write_info(work.path, info)
        return work.publish()


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


def _fit_normalisation(
    crops: CropsFile,
    metadata: pd.DataFrame,
    config: PreprocessConfig,
    radiometry: Radiometry,
) -> dict[str, Any]:
    """Constants frozen on a seeded sample of the training crops (of all, if there are none)."""
    candidates = np.flatnonzero(metadata["split"] == "train")
    if len(candidates) == 0:
        candidates = np.arange(len(metadata))
    count = min(len(candidates), _SAMPLE_CROPS)
    drawn = np.random.default_rng(config.seed).choice(candidates, count, replace=False)
    thin = max(1, config.crop_size_px // _SAMPLE_SIDE_PX)
    sample = [crops.read(int(position), 1)[:, ::thin, ::thin] for position in np.sort(drawn)]
    return Normalisation.fit(
        config.normalisation, np.concatenate(sample), black_level=radiometry.black_level
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
