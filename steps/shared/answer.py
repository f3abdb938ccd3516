"""Summarise the result of a pipeline in three sentences and a table: the head of its report."""

import io
from collections.abc import Mapping

import mlflow
import pandas as pd
from mlflow.entities import Run

from lunar_models.page.report import Block, Picture, Section, Table

_FRESHEST = "tables/freshest.csv"
_SHOWN = 15
_HEADINGS = {
    "crater_id": "crater",
    "longitude_deg": "longitude °E",
    "latitude_deg": "latitude °N",
    "diameter_km": "diameter km",
    "state_name": "name",
}
_PICTURES = (
    ("figures/map_degradation.png", "Where the fresh and the worn craters are."),
    ("figures/map_states.png", "Where the states are."),
)


def answer_section(runs: Mapping[str, Run]) -> Section | None:
    """Write the first section of the report; None for a pipeline that ends before its answer.

    Args:
        runs: step name -> its run.
    """
    if "cluster" not in runs:
        return None
    files = artifacts(runs["cluster"], "tables") | artifacts(runs["cluster"], "figures")
    freshest = _read(runs["cluster"], "tables/freshest.csv") if _FRESHEST in files else None
    sentences = (_data(runs), _freshest(freshest), _evidence(runs.get("evaluate")))
    blocks: list[Block] = []
    if freshest is not None:
        blocks.append(
            Table(
                _for_readers(freshest.head(_SHOWN)),
                f"The {min(_SHOWN, len(freshest))} freshest; all in tables/freshest.csv of the "
                "cluster run. Degradation runs from 0 (fresh) to 1, with its central 90 %.",
                decimals={"longitude °E": 3, "latitude °N": 3, "diameter km": 2, "degradation": 3},
            )
        )
    for path, caption in _PICTURES:
        if path in files:
            blocks.append(Picture(_bytes(runs["cluster"], path), caption))
    return Section("Answer", blocks, "\n\n".join(sentences))


def _for_readers(freshest: pd.DataFrame) -> pd.DataFrame:
    """The table with short headings, so that no column is cut off, and each interval in one."""
    lows, highs = freshest["degradation_low"], freshest["degradation_high"]
    shown = freshest.drop(columns=["degradation_low", "degradation_high"])
    intervals = [f"{low:.3f} to {high:.3f}" for low, high in zip(lows, highs, strict=True)]
    shown.insert(list(shown).index("degradation") + 1, "central 90 %", intervals)
    return shown.rename(columns=_HEADINGS)


def _data(runs: Mapping[str, Run]) -> str:
    encoder = runs["cluster"].data.tags.get("encoder", "the encoder")
    clusters = runs["cluster"].data.metrics.get("cluster/count", 0)
    done = f"The {encoder} encoder describes them, and they fall into {clusters:.0f} clusters"
    if "preprocess" not in runs:
        return f"The craters are those of the given crop set. {done}."
    metrics = runs["preprocess"].data.metrics
    moon = " of a synthetic Moon" if "synthesize" in runs else ""
    return (
        f"{metrics.get('crops/count', 0):,.0f} craters{moon} were cut out of the mosaic, "
        f"{metrics.get('crops/rejected', 0):,.0f} were left out. {done}."
    )


def _freshest(table: pd.DataFrame | None) -> str:
    if table is None:
        return (
            "Nothing says how degraded they are: give labels, or train encoder=physics, to rank "
            "them."
        )
    first = table.iloc[0]
    return (
        f"The freshest is {first['crater_id']} ({first['longitude_deg']:.3f}° E, "
        f"{first['latitude_deg']:.3f}° N, {first['diameter_km']:.2f} km across) with a degradation "
        f"of {first['degradation']:.2f} ({first['degradation_low']:.2f} to "
        f"{first['degradation_high']:.2f}); half of all lie above "
        f"{table['degradation'].median():.2f}."
    )


def _evidence(run: Run | None) -> str:
    if run is None or "tables/intervals.csv" not in artifacts(run, "tables"):
        return "None of this has been checked against labels."
    table = _read(run, "tables/intervals.csv").set_index("metric")
    if "head/qwk" not in table.index:
        return "The labels do not tell how well states are recognised."
    kappa = table.loc["head/qwk"]
    return (
        f"In spatial cross-validation the states agree with the labels at a quadratically weighted "
        f"kappa of {kappa['value']:.2f} ({kappa['low']:.2f} to {kappa['high']:.2f}; 1 is perfect, "
        "0 is chance)."
    )


def artifacts(run: Run, folder: str | None) -> set[str]:
    """Paths of a run's artifacts in a folder; None for the top."""
    return {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id, folder)}


def _read(run: Run, path: str) -> pd.DataFrame:
    text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{path}")
    return pd.read_csv(io.StringIO(text), dtype={"crater_id": str})


def _bytes(run: Run, path: str) -> bytes:
    with open(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/{path}"), "rb") as file:
        return file.read()
