"""Report how far labels can be trusted: agreement, consensus, suspicious labels, learning curve."""

import click

from lunar_models.config.agreement import AgreementConfig
from lunar_models.labelling.reading import read_votes
from serving.cli.options import config_command
from steps.shared.inputs import open_crops
from steps.shared.label_report import log_agreement, log_model_view, write_page
from steps.shared.registry import embed_crop_set
from steps.shared.store import prepare
from steps.shared.tracking import log_dataset, step_run


@config_command(AgreementConfig)
def main(config: AgreementConfig) -> None:
    """Measure how labels agree, and their consensus; with an encoder, which are suspicious."""
    config = prepare(config)
    with step_run("agreement", config, name="agreement"):
        votes = read_votes(config.votes, scheme=config.scheme, states=config.label_order)
        log_dataset(config.votes, name="votes", digest=votes.digest, context="labels")
        consensus, sections = log_agreement(votes, config)
        if config.crops is not None and config.encoder_uri is not None:
            crop_set = open_crops(config.crops)
            _, embeddings = embed_crop_set(crop_set, config.encoder_uri)
            sections += log_model_view(consensus, crop_set, embeddings, votes.states, config)
        write_page(sections, votes)
        click.echo(f"{len(votes.votes):,} votes on {len(consensus.table):,} craters; see "
                   "agreement.html of the run.")  # fmt: skip


if __name__ == "__main__":
    main()
