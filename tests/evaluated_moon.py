"""Craters with a planted state, embeddings that hold it, and their evaluation."""

import numpy as np
import pandas as pd

from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.evaluation import evaluate

CONFIG = EvaluateConfig(crops="crops", encoder_uri="encoder", bootstrap=40, neighbours=10)


NAMES = {1: "New", 2: "Semi-New", 3: "Semi-Old", 4: "Old"}


def moon(count=400, seed=0):
    """Craters with a planted state, and a label for all but the first ten."""
    rng = np.random.default_rng(seed)
    longitude = rng.uniform(-60, 0, count)
    metadata = pd.DataFrame(
        {
            "crater_id": [f"RR-{i:04d}" for i in range(count)],
            "longitude_deg": longitude,
            "latitude_deg": rng.uniform(0, 40, count),
            "diameter_km": rng.uniform(4, 15, count),
            "native_px": rng.uniform(20, 90, count).astype(np.float32),
            "mean_brightness": rng.uniform(60, 120, count).astype(np.float32),
            "flipped": (np.floor(longitude / 15) % 2).astype(bool),
            "sun_azimuth_deg": np.where(np.floor(longitude / 15) % 2, 270.0, 90.0),
            "rotation_deg": 0.0,
            "incidence_deg": np.nan,
            "split": rng.choice(["train", "test"], count),
        }
    )
    state = rng.integers(1, 5, count)
    labels = pd.DataFrame(
        {
            "crater_id": metadata["crater_id"],
            "state": state,
            "state_name": [NAMES[one] for one in state],
            "value": 10.0 ** (-state / 4 - rng.uniform(0, 0.05, count)),
        }
    )
    return metadata, labels[10:].sample(frac=1, random_state=seed)


def embed(metadata, labels, *, signal=3.0, sun=0.0, seed=0):
    """Embeddings that hold the state, and the Sun's side if wanted."""
    rng = np.random.default_rng(seed)
    state = labels.set_index("crater_id")["state"].reindex(metadata["crater_id"]).fillna(1)
    embeddings = rng.normal(size=(len(metadata), 6))
    embeddings[:, 0] += signal * state.to_numpy()
    embeddings[:, 1] += sun * metadata["flipped"].to_numpy()
    return embeddings


def judge(metadata, labels, embeddings, config=CONFIG):
    return evaluate(embeddings, metadata, labels, config, context_diameters=1.5)
