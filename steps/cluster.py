"""Embed every crater, group them, and show the groups."""

import tempfile
from pathlib import Path

import click
import mlflow
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from lunar_models import tables
from lunar_models.clustering import ClusterAssignment, ClusterModel, fit_clusters
from lunar_models.config.cluster import ClusterConfig
from lunar_models.crops import CropSet
from lunar_models.overview import read_overview
from lunar_models.plots.cluster_gallery import gallery, mean_images
from lunar_models.plots.cluster_map import Background, density_maps, map_dots, map_thumbnails
from lunar_models.plots.embedding_views import view_dots, view_thumbnails
from lunar_models.plots.groups import cluster_colours, cluster_groups
from lunar_models.plots.thumbnails import Bounds
from lunar_models.views import sample_rows, view_2d
from steps._options import options_from
from steps._registry import embed_crop_set
from steps._tracking import (
    log_dataset,
    log_figures,
    log_folder,
    log_metrics,
    log_output,
    step_run,
)

Embeddings = npt.NDArray[np.float32]


@click.command()
@options_from(ClusterConfig)
def main(config: ClusterConfig) -> None:
    """Embed every crater and group them; write tables, maps and pictures of the groups."""
    clusters = "" if config.method == "hdbscan" else f"-{config.n_clusters or 'chosen'}"
    with step_run("cluster", config, name=f"{config.method}{clusters}"):
        crop_set = CropSet.open(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="clustering")
        _, embeddings = embed_crop_set(crop_set, config.encoder_uri)
        model = fit_clusters(embeddings, config, on_progress=click.echo)
        assignment = model.assign(embeddings)
        _log_metrics(model, assignment)
        _log_tables(crop_set, embeddings, assignment)
        log_figures(_view_figures(crop_set, embeddings, assignment, config))
        log_figures(_map_figures(crop_set, assignment, config))
        with tempfile.TemporaryDirectory() as folder:
            model.save(folder)
            log_output("clusters", log_folder(Path(folder), "cluster_model"))


def _log_metrics(model: ClusterModel, assignment: ClusterAssignment) -> None:
    log_metrics(
        {
            "cluster/count": model.n_clusters,
            "cluster/noise_fraction": float((assignment.cluster_id < 0).mean()),
            "cluster/stability": float(model.clusters["stability"].mean()),
        }
    )
    mlflow.log_table(model.clusters, "clusters_summary.json")


def _log_tables(crop_set: CropSet, embeddings: Embeddings, assignment: ClusterAssignment) -> None:
    table = tables.cluster_table(crop_set.metadata, assignment)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables.write_csv(folder / "clusters.csv", table)
        tables.write_geojson(folder / "clusters.geojson", table)
        tables.write_geoparquet(folder / "clusters.parquet", table)
        colours = cluster_colours(int(assignment.cluster_id.max(initial=0)) + 1)
        tables.write_geopackage(folder / "clusters.gpkg", table, colours)
        tables.write_embeddings(folder / "embeddings.parquet", table["crater_id"], embeddings)
        tables.write_latents(folder, table["crater_id"], embeddings)
        log_folder(folder, "tables")


def _view_figures(
    crop_set: CropSet, embeddings: Embeddings, assignment: ClusterAssignment, config: ClusterConfig
) -> dict[str, Figure]:
    groups = cluster_groups(assignment.cluster_id)
    rows = sample_rows(len(embeddings), config.view_limit, config.seed)
    sampled, crops = groups.take(rows), crop_set.crops[rows]
    figures = {
        "figures/gallery.png": gallery(crop_set.crops, groups, assignment.distance),
        "figures/mean_images.png": mean_images(crop_set.crops, groups, seed=config.seed),
    }
    for kind in config.views:
        view = view_2d(embeddings[rows], kind, seed=config.seed)
        figures[f"figures/{kind}_dots.png"] = view_dots(view, sampled)
        figures[f"figures/{kind}_thumbnails.png"] = view_thumbnails(
            view, crops, sampled, limit=config.thumbnails
        )
    return figures


def _map_figures(
    crop_set: CropSet, assignment: ClusterAssignment, config: ClusterConfig
) -> dict[str, Figure]:
    groups = cluster_groups(assignment.cluster_id)
    lonlat = crop_set.metadata[["longitude_deg", "latitude_deg"]].to_numpy()
    background = None
    if config.mosaic:
        image, (west, east, south, north) = read_overview(config.mosaic[0])
        background = Background(image, Bounds(west, east, south, north))
    return {
        "figures/map_dots.png": map_dots(lonlat, groups, background),
        "figures/map_thumbnails.png": map_thumbnails(
            lonlat, crop_set.crops, groups, background, limit=config.thumbnails
        ),
        "figures/map_density.png": density_maps(lonlat, groups, background),
    }


if __name__ == "__main__":
    main()
