"""``lunar-classify``: classify a folder of images, or a table of places, through the service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd
from tqdm import tqdm

from lunar_models.catalogue.table import read_catalogue
from lunar_models.config.base import StepConfig, param
from serving.cli.options import UserError, config_command
from serving.client import CraterClient, ServiceError
from serving.model.table import flat

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy")
_SIMILAR = 1


class _Connection(StepConfig):
    url: str = param("http://127.0.0.1:8000", help="Address of the service.", role="runtime")
    token: str | None = param(None, help="Token, if the service demands one.", role="runtime")
    batch_size: int = param(64, help="Number of images per request.", minimum=1, role="runtime")


_SOURCE = click.Argument(["source"], type=click.Path(exists=True, path_type=Path))
_OUTPUT = click.Argument(["output"], type=click.Path(dir_okay=False, path_type=Path))


@config_command(_Connection, environment="LUNAR", arguments=(_SOURCE, _OUTPUT))
def classify(connection: _Connection, source: Path, output: Path) -> None:
    """Classify a folder of images, or a table of longitude, latitude and diameter.

    SOURCE is the folder or the table (the service then cuts the craters from its mosaic); OUTPUT
    ends in .csv or .parquet and has one row per crater, broken ones with their error.
    Environment variables such as LUNAR_TOKEN set options, too.
    """
    if output.suffix not in (".csv", ".parquet"):
        raise UserError(f"{output} must end in .csv or .parquet.")
    client = CraterClient(connection.url, token=connection.token, batch_size=connection.batch_size)
    ask = _folder if source.is_dir() else _table
    table = pd.DataFrame(ask(client, source))
    if output.suffix == ".csv":
        table.to_csv(output, index=False)
    else:
        table.to_parquet(output, index=False)
    failed = int(table["error_code"].notna().sum())
    click.echo(f"{len(table) - failed} of {len(table)} craters classified, in {output}.")


def _folder(client: CraterClient, folder: Path) -> Iterator[dict[str, Any]]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _IMAGES)
    if not files:
        raise UserError(f"{folder} holds no image ({', '.join(_IMAGES)}).")
    found = client.classify(files, return_embedding=False, top_k=_SIMILAR)
    for file, prediction in zip(files, _with_progress(found, len(files)), strict=True):
        yield {"file": str(file.relative_to(folder)), **flat(prediction)}


def _table(client: CraterClient, file: Path) -> Iterator[dict[str, Any]]:
    craters, rejected = read_catalogue(file)
    for row in rejected.itertuples():
        yield {"crater_id": row.crater_id, "error_code": "bad_row", "error_message": row.reason}
    names = ["crater_id", "longitude_deg", "latitude_deg", "diameter_km"]
    for crater in _with_progress(craters[names].to_dict("records"), len(craters)):
        place = {name: crater[name] for name in names[1:]}
        try:
            prediction = client.locate(**place, top_k=_SIMILAR)
        except ServiceError as error:
            if error.status not in (404, 422):  # this crater's own fault
                raise
            yield {**crater, "error_code": "not_located", "error_message": str(error)}
        else:
            yield {**crater, **flat(prediction)}


def _with_progress(steps: Any, total: int) -> Any:
    return tqdm(steps, total=total, unit="crater", disable=None)
