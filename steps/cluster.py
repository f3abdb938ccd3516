"""Embed every crater, cluster the embeddings, and show the clusters."""

import tempfile
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.catalogue.geoparquet import write_points
from lunar_models.clustering import ClusterAssignment, ClusterModel, fit_clusters
from lunar_models.clustering.numbering import number_by_degradation
from lunar_models.clustering.projection_2d import View2D, sample_rows, view_2d
from lunar_models.colours import cluster_colours
from lunar_models.config.cluster import ClusterConfig
from lunar_models.crops.crop_set import READING, CropSet
from lunar_models.embedding import score_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import ConfigError
from lunar_models.export import tables
from lunar_models.export.freshest import degradation_columns, freshest_table
from lunar_models.heads.head import Head
from lunar_models.labelling.tags import read_tags
from lunar_models.mosaic.raster import Mosaic
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.clusters import group_figures, model_figures, view_figures
from lunar_models.plots.degradation_map import degradation_map, state_map
from lunar_models.plots.groups import cluster_groups
from lunar_models.plots.map_marks import describe_sun
from serving.cli.options import config_command
from serving.model.bundle import GIVEN_FILE, HEAD_FILE
from steps.shared.explore_page import log_page, spread_view
from steps.shared.inputs import open_crops
from steps.shared.physics import predict_physics
from steps.shared.region import background, log_region
from steps.shared.registry import embed_crop_set
from steps.shared.store import prepare
from steps.shared.tracking import (
    log_dataset,
    log_figures,
    log_folder,
    log_metrics,
    log_output,
    log_text,
    resolve_artifacts,
    set_tag,
    step_run,
)

Embeddings = npt.NDArray[np.float32]


@config_command(ClusterConfig)
def main(config: ClusterConfig) -> None:
    """Embed and cluster every crater; write tables, maps and figures of the clusters."""
    config = prepare(config)
    number = "" if config.method == "hdbscan" else f"-{config.n_clusters or 'chosen'}"
    with step_run("cluster", config, name=f"{config.method}{number}"):
        crop_set = open_crops(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="clustering")
        checkpoint, embeddings = embed_crop_set(crop_set, config.encoder_uri)
        model = fit_clusters(embeddings, config, on_progress=click.echo)
        assignment = model.assign(embeddings)
        said = [
            _states(embeddings, crop_set, config.head),
            _scores(checkpoint, crop_set),
            _physics(checkpoint, crop_set, config),
            _tags(crop_set, config.tags),
        ]
        model, assignment = _number(model, assignment, said)
        table = tables.cluster_table(crop_set.metadata, assignment, *said)
        _log_model(model, assignment, config)
        _log_tables(table, embeddings)
        overview = _background(config, crop_set)
        _log_degradation(table, overview)
        _log_pictures(crop_set, embeddings, assignment, table, config, overview)
        if config.analysis and config.mosaic and "x_px" not in table:
            _log_analysis(table, config, crop_set)


def _states(embeddings: Embeddings, crop_set: CropSet, head: str | None) -> pd.DataFrame | None:
    """State, its probabilities, degradation and given label of each crater, if there is a head."""
    if head is None:
        return None
    folder = resolve_artifacts(head)
    fitted = Head.load(folder / HEAD_FILE)
    table = tables.state_table(fitted.predict(embeddings), fitted.states)
    if (folder / GIVEN_FILE).is_file():
        given = pd.read_csv(folder / GIVEN_FILE, dtype="str", keep_default_na=False)
        labels = given.set_index("crater_id")["given_label"]
        table.insert(0, "given_label", crop_set.metadata["crater_id"].map(labels).to_numpy())
    return table


def _number(
    model: ClusterModel, assignment: ClusterAssignment, said: list[pd.DataFrame | None]
) -> tuple[ClusterModel, ClusterAssignment]:
    """Number the clusters from the freshest to the most degraded, where something tells it."""
    known = [part for part in said if part is not None and degradation_columns(part)]
    columns = degradation_columns(known[0]) if known else None
    click.echo(f"clusters are numbered by {columns[0] if columns else 'size'}")
    if columns is None:
        return model, assignment
    return number_by_degradation(model, assignment, known[0][columns[0]].to_numpy())


def _scores(checkpoint: Checkpoint, crop_set: CropSet) -> pd.DataFrame | None:
    """The encoder's own degradation score of each crater, if it has been taught one."""
    scores = score_crops(checkpoint, crop_set.crops)
    return None if scores is None else tables.score_table(scores)


def _physics(
    checkpoint: Checkpoint, crop_set: CropSet, config: ClusterConfig
) -> pd.DataFrame | None:
    """Physical quantities of each crater, if the encoder has been taught them.

    The state that they mean is the crater's where no head gives one.
    """
    prediction = predict_physics(checkpoint, crop_set, config.calibrate)
    if prediction is None:
        return None
    diameter_km = crop_set.metadata["diameter_km"].to_numpy()
    table = tables.physical_table(prediction, diameter_km, config.interval_levels)
    if config.head:
        return table
    names = table["physical_state"].map(tables.named_states(table))
    table.insert(1, "state_name", names)
    return table.rename(columns={"physical_state": "state"})


def _tags(crop_set: CropSet, url: str | None) -> pd.DataFrame | None:
    """What people said of each crater in named tags."""
    if url is None:
        return None
    tags = read_tags(url)
    log_dataset(url, name="tags", digest=tags.digest, context="tags")
    columns = tags.columns(crop_set.metadata["crater_id"])
    for name in tags.names:
        click.echo(f"{name}: {int(columns[name].sum()):,} craters of this set.")
    return columns


def _log_model(model: ClusterModel, assignment: ClusterAssignment, config: ClusterConfig) -> None:
    log_metrics(
        {
            "cluster/count": model.n_clusters,
            "cluster/noise_fraction": float((assignment.cluster_id < 0).mean()),
            "cluster/stability": float(model.clusters["stability"].mean()),
        }
    )
    log_text(model.clusters.to_csv(index=False), "tables/clusters_summary.csv")
    log_figures(model_figures(model, assignment, criterion=config.selection))
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        log_output("clusters", log_folder(Path(folder), "cluster_model"))


def _log_tables(table: pd.DataFrame, embeddings: Embeddings) -> None:
    ids = table["crater_id"].tolist()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables.write_csv(folder / "clusters.csv", table)
        tables.write_geojson(folder / "clusters.geojson", table)
        write_points(folder / "clusters.parquet", table)
        colours = cluster_colours(int(table["cluster_id"].max()) + 1)
        tables.write_geopackage(folder / "clusters.gpkg", table, colours)
        tables.write_embeddings(folder / "embeddings.parquet", table, embeddings)
        tables.write_latents(folder, ids, embeddings)
        log_output("table", f"{log_folder(folder, 'tables')}/clusters.parquet")


def _log_degradation(table: pd.DataFrame, background: Background | None) -> None:
    """The answer: craters by degradation, ranked and on maps, where something tells it."""
    ranked = freshest_table(table)
    if ranked is None:
        return
    lonlat = table[["longitude_deg", "latitude_deg"]].to_numpy()
    in_order = ranked.set_index("crater_id")["degradation"]
    score = in_order.loc[table["crater_id"]].to_numpy()
    log_text(ranked.to_csv(index=False, float_format="%.6f"), "tables/freshest.csv")
    sun = describe_sun(table[tables.SUN]) if tables.SUN in table else None
    figures = {"figures/map_degradation.png": degradation_map(lonlat, score, background, sun=sun)}
    if "state" in table:
        state, names = table["state"].to_numpy(), tables.named_states(table)
        figures["figures/map_states.png"] = state_map(lonlat, state, names, background, sun=sun)
    log_figures(figures)


def _log_analysis(table: pd.DataFrame, config: ClusterConfig, crop_set: CropSet) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clusters.parquet"
        write_points(file, table)
        log_region(file, _mosaics(config, crop_set), limits=crop_set.info.preprocess)


def _log_pictures(
    crop_set: CropSet,
    embeddings: Embeddings,
    assignment: ClusterAssignment,
    table: pd.DataFrame,
    config: ClusterConfig,
    background: Background | None,
) -> None:
    log_figures(
        group_figures(
            crop_set.crops,
            crop_set.metadata,
            assignment,
            background=background,
            thumbnails=config.thumbnails,
            seed=config.seed,
        )
    )
    rows = sample_rows(len(embeddings), config.view_limit, config.seed)
    views = _views(embeddings[rows], config)
    crops, groups = crop_set.crops[rows], cluster_groups(assignment.cluster_id).take(rows)
    log_figures(view_figures(views, crops, groups, thumbnails=config.thumbnails))
    if views:
        shown = np.union1d(rows, sample_rows(len(table), config.page_limit, config.seed))
        spread = [spread_view(view, rows, shown, embeddings, config.seed) for view in views]
        log_page(crop_set, table, embeddings, shown, spread, background)


def _views(embeddings: Embeddings, config: ClusterConfig) -> list[View2D]:
    """The views that can be drawn; the others are said and tagged."""
    views = []
    for kind in config.views:
        try:
            views.append(view_2d(embeddings, kind, seed=config.seed))
        except ConfigError as error:
            click.echo(f"view {kind} is left out: {error}")
            set_tag(f"left_out.{kind}", str(error))
    return views


def _background(config: ClusterConfig, crop_set: CropSet) -> Background | None:
    if not config.mosaic or "x_px" in crop_set.metadata:  # pictures are no map
        return None
    return background(_mosaics(config, crop_set)[0])


def _mosaics(config: ClusterConfig, crop_set: CropSet) -> list[Mosaic]:
    reading = {name: crop_set.info.preprocess.get(name) for name in READING}
    return [Mosaic.open(path, **reading) for path in config.mosaic]


if __name__ == "__main__":
    main()
