"""Select the craters to label next, as an order for the page /label."""

import tempfile
from pathlib import Path

import click

from lunar_models.config.select import SelectConfig
from lunar_models.labelling.answers import read_order
from lunar_models.labelling.next_labels import NextLabels, choose_next
from lunar_models.labelling.reading import read_votes
from serving.cli.options import config_command
from steps.shared.inputs import open_crops
from steps.shared.registry import embed_crop_set
from steps.shared.store import prepare
from steps.shared.tracking import log_dataset, log_folder, log_metrics, log_output, step_run


@config_command(SelectConfig)
def main(config: SelectConfig) -> None:
    """Select the craters whose labels would teach most, in proportion to terrain and light."""
    config = prepare(config)
    with step_run("select", config, name=f"select-{config.method}-{config.count}"):
        crop_set = open_crops(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="selection")
        votes = None
        if config.votes is not None:
            votes = read_votes(config.votes, scheme=config.scheme, states=config.label_order)
            log_dataset(config.votes, name="votes", digest=votes.digest, context="labels")
        _, embeddings = embed_crop_set(crop_set, config.encoder_uri)
        without = [crater for path in config.without for crater in read_order(path)]
        found = choose_next(
            crop_set.metadata, embeddings, votes, config.count,
            without=without, method=config.method, bins=config.bins, seed=config.seed,
        )  # fmt: skip
        _log(found, config)


def _log(found: NextLabels, config: SelectConfig) -> None:
    output = Path(config.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_name(f"{output.name}.new")
    found.order.to_csv(fresh, index=False)
    fresh.replace(output)  # a server that follows it never sees a part
    log_output("order", config.output)
    with tempfile.TemporaryDirectory() as folder:
        found.order.to_csv(Path(folder) / "order.csv", index=False)
        found.balance.to_csv(Path(folder) / "balance.csv", index=False)
        log_folder(Path(folder), "tables")
    off = (found.balance["together"] - found.balance["all"]).abs().max()
    counts = found.order["reason"].value_counts()
    log_metrics({
        "selection/selected": float(counts.get("selected", 0)),
        "selection/labelled": float(counts.get("labelled", 0)),
        "selection/largest_imbalance": float(off),
    })  # fmt: skip
    click.echo(
        f"{counts.get('selected', 0):,} craters to label next, after {counts.get('labelled', 0):,} "
        f"with a vote, in {output}; no group of diameter, latitude, terrain and light is off by "
        f"more than {100 * off:.0f} % of the labels. Chosen by method={found.method}"
        f"{f': {found.why}' if found.why else ''}."
    )


if __name__ == "__main__":
    main()
