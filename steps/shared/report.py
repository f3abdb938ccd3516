"""Write the report of a pipeline run, such as a supplement to a paper."""

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import mlflow
import pandas as pd
from mlflow.entities import Run

from lunar_models import __version__
from lunar_models.config.databases import hide_passwords
from lunar_models.page.report import (
    Block,
    Facts,
    Listing,
    Picture,
    Section,
    Table,
    how_to_cite,
    write_report,
)
from steps.shared.answer import answer_section, artifacts
from steps.shared.descriptions import artifact_page
from steps.shared.tracking import git, log_artifact

_CONTENTS: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "preprocess": (
        "Data",
        "One crop per crater, cut out of the mosaic on a plane centred on the crater, turned "
        "and mirrored where needed, so that the Sun stands in the east in all of them.",
        (
            ("figures/crops.png", "Random crops with the catalogue's rims."),
            ("figures/alignment.png", "Crops before and after the Sun was put in the east."),
            ("figures/quality.png", "Quality of the crops."),
            ("figures/azimuth.png", "Where the Sun stood, and how sure that is."),
            ("figures/flip_rate.png", "Side of the Sun by longitude."),
        ),
    ),
    "train": (
        "Encoder",
        "Trained without labels on the training blocks; the epoch with the least validation loss "
        "is kept.",
        (
            ("figures/loss_curve.png", "Loss by epoch."),
            ("figures/reconstructions.png", "Validation crops and what the encoder keeps."),
        ),
    ),
    "evaluate": (
        "Evidence",
        "Probes are fitted and judged on spatial blocks apart; intervals are bootstrapped by "
        "block. The audit asks what the embedding knows that it should not.",
        (
            ("tables/intervals.csv", "Metrics with their intervals."),
            ("figures/metrics.png", "Metrics beside simple baselines."),
            ("figures/confusion.png", "True and predicted states."),
            ("figures/audit.png", "Audit: geology or lighting?"),
            ("figures/reliability.png", "Calibration of the classification head."),
            ("figures/learning_curve.png", "What more labels would bring."),
        ),
    ),
    "cluster": (
        "Clusters",
        "",
        (
            ("tables/clusters_summary.csv", "Sizes and bootstrap stability (Jaccard)."),
            ("figures/gallery.png", "Typical and untypical members."),
            ("figures/mean_images.png", "Mean crop of each cluster."),
            ("figures/umap_dots.png", "UMAP of the embedding."),
            ("figures/map_dots.png", "Where the clusters are."),
            ("figures/fractions.png", "Share of each cluster by latitude and longitude."),
        ),
    ),
    "analyse": (
        "Sizes and ages",
        "Craters counted by their centres on the area, by degradation state. Grey points lie below "
        "the completeness limit. Ages are model ages; those of states say how long craters stay in "
        "that state or a fresher one.",
        (
            ("tables/age.csv", "Model age of the area."),
            # Beside the age, because its notes say what is wrong with it.
            ("tables/methods.md", "Methods and references of this section."),
            ("tables/populations.csv", "Size-frequency distribution of each state."),
            ("figures/area_map.png", "The counting area and its craters, to scale."),
            ("figures/csfd_cumulative.png", "Cumulative size-frequency distribution."),
            ("figures/csfd_r.png", "Relative size-frequency distribution (R plot)."),
            ("figures/states_by_diameter.png", "Share of each state by diameter."),
            ("figures/retention.png", "How long craters stay in each state, by diameter."),
            ("figures/k_by_diameter.png", "Diffusion age of each crater."),
            ("tables/retention.csv", "Model age of the craters of each state and fresher ones."),
        ),
    ),
}
"""Step -> title, text, and the artifacts shown with their captions."""


_BLOCKS: dict[str, Callable[[Path, str], Block]] = {
    ".png": lambda file, caption: Picture(file.read_bytes(), caption),
    ".csv": lambda file, caption: Table(pd.read_csv(file), caption),
    ".md": lambda file, _: Listing(file.read_text(encoding="utf-8")),
}
"""How an artifact is shown, by its suffix."""

MACHINE = ("step/", "system/")
"""Metrics that tell of the machine, not of the result."""


def log_report(parent: Run, runs: Mapping[str, Run]) -> None:
    """Write report.html from what the steps of a pipeline logged, into the active run.

    Args:
        parent: the pipeline's run.
        runs: step name -> its run, new or reused.
    """
    answer = answer_section(runs)
    sections = [] if answer is None else [answer]
    sections += [_section(step, runs[step]) for step in _CONTENTS if step in runs]
    sections.append(Section("Settings", (Facts(parent.data.params),)))
    sections.append(_citation(runs))
    made = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        subtitle = f"Run {parent.info.run_id}, {made:%d %B %Y}"
        write_report(page, str(parent.info.run_name), sections, subtitle=subtitle)
        log_artifact(str(page))


def where_to_look(parent: Run, runs: Mapping[str, Run]) -> None:
    """Print where the report and the map page are."""
    places = [("report", parent, "report.html")]
    if "cluster" in runs:
        places.append(("explore", runs["cluster"], "explore.html"))
        places.append(("ranking", runs["cluster"], "tables/freshest.csv"))
    for name, run, path in places:
        if path not in artifacts(run, path.rpartition("/")[0] or None):
            continue
        click.echo(f"{name}: {_address(run, path)}")


def _address(run: Run, path: str) -> str:
    """A link into the tracking server, or the file of a store on this machine."""
    uri = hide_passwords(mlflow.get_tracking_uri())
    if uri.startswith("http"):
        page = artifact_page(run.info.experiment_id, run.info.run_id, path)
        return f"{uri.rstrip('/')}/{page}"
    folder = str(run.info.artifact_uri).removeprefix("file://")
    return f"{folder}/{path}" if Path(folder).is_dir() else f"{run.info.artifact_uri}/{path}"


def _section(step: str, run: Run) -> Section:
    title, text, contents = _CONTENTS[step]
    client = mlflow.MlflowClient()
    there = artifacts(run, "figures") | artifacts(run, "tables")
    results = {k: v for k, v in run.data.metrics.items() if not k.startswith(MACHINE)}
    blocks: list[Block] = [Facts(dict(sorted(results.items())))]
    with tempfile.TemporaryDirectory() as folder:
        for path, caption in contents:
            if path in there:
                file = Path(client.download_artifacts(run.info.run_id, path, folder))
                blocks.append(_BLOCKS[file.suffix](file, caption))
    return Section(title, blocks, text)


def _citation(runs: Mapping[str, Run]) -> Section:
    digests = {
        dataset.dataset.name: dataset.dataset.digest
        for run in runs.values()
        for dataset in run.inputs.dataset_inputs
    }
    return how_to_cite(
        version=__version__,
        commit=git("rev-parse", "HEAD"),
        year=datetime.now(UTC).year,
        data=digests,
        references=["Robbins, S. J. (2018), JGR Planets 124, 871-892, doi 10.1029/2018JE005592"],
    )
