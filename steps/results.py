"""Open the results of a pipeline in a notebook, read-only.

>>> from steps.results import open_run
>>> result = open_run()  # the most recent one
>>> result.freshest.head()
>>> result.similar("00-1-000043")
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.entities import Run

from lunar_models.crops.crop_set import CropSet
from serving.cli.options import UserError
from steps.shared.outage import store_errors
from steps.shared.store import connect
from steps.shared.versions import quoted

_KINDS = ("main", "cluster")


@dataclass(frozen=True)
class Results:
    """What a cluster run left: tables, crops and embeddings of the same craters.

    Rows of `clusters`, `crops` and `embeddings` are in the same order.
    """

    run: Run
    """The cluster run."""

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """N craters with cluster, state and degradation: ``tables/clusters.csv``."""
        return self.table("clusters")

    @cached_property
    def freshest(self) -> pd.DataFrame:
        """The same craters ranked by degradation: `export.freshest.freshest_table`.

        Raises:
            UserError: nothing tells degradation.
        """
        return self.table("freshest")

    @cached_property
    def crop_set(self) -> CropSet:
        """The crop set that was clustered.

        Raises:
            CropSetError: it is not where it was.
        """
        return CropSet.open(self.run.data.params["crops"])

    @property
    def crops(self) -> npt.NDArray[np.uint8]:
        """(N, S, S) uint8, read-only memory map."""
        return self.crop_set.crops

    @cached_property
    def embeddings(self) -> npt.NDArray[np.float32]:
        """(N, D) float32, read-only memory map."""
        array: npt.NDArray[np.float32] = np.load(
            self._file("tables/latents.npy"), mmap_mode="r", allow_pickle=False
        )
        return array

    def table(self, name: str) -> pd.DataFrame:
        """Read ``tables/<name>.csv`` of the run.

        Raises:
            UserError: the run has no such table.
        """
        return pd.read_csv(self._file(f"tables/{name}.csv"), dtype={"crater_id": str})

    def row(self, crater_id: str) -> int:
        """Position of a crater among the rows.

        Raises:
            UserError: it is not among them.
        """
        rows = np.flatnonzero((self.clusters["crater_id"] == crater_id).to_numpy())
        if not len(rows):
            raise UserError(f"{crater_id!r} is not among the {len(self.clusters):,} craters.")
        return int(rows[0])

    def similar(self, crater_id: str, count: int = 10) -> pd.DataFrame:
        """Find the craters whose embeddings are nearest.

        Args:
            crater_id: the crater to compare with.
            count: how many, nearest first; the crater itself is not among them.

        Returns:
            rows of `clusters` with ``embedding_distance``: Euclidean, in units of the embedding.

        Raises:
            UserError: the crater is not among the results.
        """
        row = self.row(crater_id)
        distance = np.linalg.norm(self.embeddings - self.embeddings[row], axis=1)
        order = np.argsort(distance, kind="stable")
        order = order[order != row][:count]
        near: pd.DataFrame = self.clusters.iloc[order]
        return near.assign(embedding_distance=distance[order])

    def _file(self, path: str) -> Path:
        uri = f"runs:/{self.run.info.run_id}/{path}"
        try:
            return Path(mlflow.artifacts.download_artifacts(uri))
        except (mlflow.MlflowException, OSError) as error:
            name = self.run.info.run_name
            raise UserError(f"Run {name} has no {path}; see its artifacts in MLflow.") from error


def open_run(run: str | None = None) -> Results:
    """Open the results of a pipeline or of a cluster run.

    Args:
        run: id or name of a run of ``main`` or ``cluster``; None takes the most recent one.

    Raises:
        UserError: there is no such run, several have this name, or it has no clusters.
    """
    connect()
    with store_errors():
        found = _find(run)
        if found.data.tags.get("step") == "cluster":
            return Results(found)
        reused = found.data.tags.get("reused.cluster")
        if reused:
            return Results(mlflow.get_run(reused))
        children = _search(
            f"tags.step = 'cluster' and tags.`mlflow.parentRunId` = '{found.info.run_id}'"
        )
    if not children:
        raise UserError(f"Run {found.info.run_name} has no cluster step; run it with that step.")
    return Results(children[0])


def _find(run: str | None) -> Run:
    if run is None:
        found = _finished()
    else:
        found = _finished(f" and attributes.run_name = {quoted(run)}")
        if len(found) > 1:
            ids = ", ".join(each.info.run_id for each in found[:5])
            raise UserError(f"{len(found)} runs are called {run!r}; give the id of one: {ids}.")
        found = found or _finished(f" and attributes.run_id = {quoted(run)}")
    if not found:
        raise UserError(f"There is no finished run {run or 'of main or cluster'} to open.")
    return found[0]


def _finished(where: str = "") -> list[Run]:
    """Finished runs that have results, the newest first."""
    kinds = (f"tags.step = '{kind}' and attributes.status = 'FINISHED'{where}" for kind in _KINDS)
    found = [run for kind in kinds for run in _search(kind)]
    return sorted(found, key=lambda run: -run.info.start_time)


def _search(where: str) -> list[Run]:
    runs: list[Run] = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=where,
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    return runs
