"""Make crop sets of rendered craters for benchmarks."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lunar_models.crops.crop_set import (
    CROPS_FILE,
    METADATA_COLUMNS,
    METADATA_FILE,
    CropSet,
    CropSetInfo,
    write_info,
)
from lunar_models.crops.normalisation import Normalisation
from lunar_models.rendering.craters import render_craters

CONTEXT_DIAMETERS = 1.5
DIFFERENT = 1024
"""Craters that are rendered; larger sets repeat them."""


def rendered_crop_set(folder: Path, count: int, side: int) -> CropSet:
    """Write `count` crops of `side` px, the last tenth of them for validation."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    rendered = render_craters(
        DIFFERENT, crop_size_px=side, context_diameters=CONTEXT_DIAMETERS, generator=generator
    )
    crops = np.resize(rendered.brightness.clamp(0, 255).byte().numpy(), (count, side, side))
    np.save(folder / CROPS_FILE, crops)
    table = pd.DataFrame(0.0, index=range(count), columns=list(METADATA_COLUMNS))
    table["split"] = np.where(np.arange(count) < 0.9 * count, "train", "validation")
    table.to_parquet(folder / METADATA_FILE)
    normalisation = Normalisation.fit("ratio", crops[:DIFFERENT]).to_dict()
    info = CropSetInfo(count, side, CONTEXT_DIAMETERS, f"{count}", normalisation=normalisation)
    write_info(folder, info)
    return CropSet.open(folder)
