"""Assemble sampled segments into a finished crop set: select, align, describe, publish."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.catalogue.geoparquet import write_points
from lunar_models.catalogue.splits import assign_splits
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.crop_plan import CropPlan
from lunar_models.cropping.kernels.measures import MEASURES
from lunar_models.cropping.quality import crop_faults
from lunar_models.cropping.storage.crops_file import CropsFile, kept_order
from lunar_models.cropping.storage.piece_summary import Summary
from lunar_models.cropping.storage.work_folder import WorkFolder, resolved_settings
from lunar_models.crops.crop_set import (
    METADATA_COLUMNS,
    METADATA_FILE,
    PICTURE_COLUMNS,
    PLACE_COLUMNS,
    REJECTED_FILE,
    CropSet,
    CropSetInfo,
    Radiometry,
    write_info,
)
from lunar_models.crops.normalisation import Normalisation
from lunar_models.errors import CatalogueError, disk_errors

BAND_DEG = 15.0
"""Width of the longitude bands of the flip rate."""

_PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
_SAMPLE_CROPS = 1024
_SAMPLE_SIDE_PX = 64
"""The normalisation is fitted on so many crops, thinned to at most about twice this side."""


def assemble(
    work: WorkFolder,
    plan: CropPlan,
    *,
    measures: npt.NDArray[np.float32],
    overlap_larger: npt.NDArray[np.float32],
    sources: dict[str, str],
) -> CropSet:
    """Assemble the aligned crops of all segments and their metadata into a crop set.

    Args:
        work: all segments in it are sampled.
        plan: with the Sun of each crop.
        measures: (N, M) `measures.MEASURES` of the crops.
        overlap_larger: (N,) part of each crater inside larger ones.
        sources: digest of each input file.

    Raises:
        CatalogueError: no crop passes the thresholds.
        CropSetError: the disk is full.
    """
    config = plan.config
    metadata = _describe(plan, measures, overlap_larger)
    fault = crop_faults(metadata, config)
    keep = _usable(fault)
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
            workers=plan.workers,
        )
        described.result()
        rejected = pd.concat([plan.rejected, dropped], ignore_index=True)
        rejected.to_csv(work.path / REJECTED_FILE, index=False)
        write_info(work.path, _info(work.crops, plan, metadata, summary, sources))
        return work.publish()


def _info(
    crops: CropsFile,
    plan: CropPlan,
    metadata: pd.DataFrame,
    summary: Summary,
    sources: dict[str, str],
) -> CropSetInfo:
    config = plan.config
    return CropSetInfo(
        count=len(metadata),
        crop_size_px=config.crop_size_px,
        context_diameters=config.context_diameters,
        digest=summary.digest,
        radiometry=plan.radiometry,
        normalisation=_fit_normalisation(crops, metadata, config, plan.radiometry),
        preprocess=resolved_settings(config),
        sources=sources,
        alignment=_alignment(config, metadata),
        statistics=_statistics(metadata, summary.histogram) | {"lit_level": plan.lit_level},
    )


def _usable(fault: pd.Series) -> npt.NDArray[np.bool_]:
    """Tell which crops have no fault; an error where all have one."""
    keep: npt.NDArray[np.bool_] = (fault == "").to_numpy()
    if not keep.any():
        raise CatalogueError(
            f"None of the {len(keep)} crops is usable: {fault.value_counts().index[0]}. "
            "Loosen the thresholds or give a mosaic that covers the craters."
        )
    return keep


def describe_crops(
    craters: pd.DataFrame, measures: npt.NDArray[np.float32], *, crop_size_px: int
) -> pd.DataFrame:
    """Compile the metadata of each crop: `METADATA_COLUMNS` except the split.

    Args:
        craters: N rows of a crop plan with the Sun, and overlap_larger.
        measures: (N, M) float32, `MEASURES` of the crops.
        crop_size_px: S.
    """
    table = craters.assign(**{name: measures[:, n] for n, name in enumerate(MEASURES)}).assign(
        native_px=craters["native_px"].astype(np.float32),
        upsampling=(crop_size_px / craters["native_px"]).astype(np.float32),
    )
    known = table[[name for name in METADATA_COLUMNS if name != "split"]]
    if "x_px" not in craters:
        return known
    pixels = craters[[name for name in PICTURE_COLUMNS if name in craters]]
    return known.assign(**dict.fromkeys(PLACE_COLUMNS, np.nan), **pixels)


def _describe(
    plan: CropPlan, measures: npt.NDArray[np.float32], overlap_larger: npt.NDArray[np.float32]
) -> pd.DataFrame:
    """`METADATA_COLUMNS` of all sampled crops."""
    config = plan.config
    craters = plan.craters.assign(overlap_larger=overlap_larger)
    split = assign_splits(
        longitude_deg=craters["longitude_deg"].to_numpy(),
        latitude_deg=craters["latitude_deg"].to_numpy(),
        block_deg=config.block_deg,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
    )
    return describe_crops(craters, measures, crop_size_px=config.crop_size_px).assign(split=split)


def _alignment(config: PreprocessConfig, metadata: pd.DataFrame) -> str:
    """Name the alignment of the crops, so that served ones are aligned alike."""
    if config.illumination == "none":
        return "none"
    return "azimuth" if (metadata["rotation_deg"] != 0.0).any() else "side"


def _fit_normalisation(
    crops: CropsFile,
    metadata: pd.DataFrame,
    config: PreprocessConfig,
    radiometry: Radiometry,
) -> dict[str, Any]:
    """Fit the normalisation on a seeded sample of the training crops, or of all without any."""
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
