"""Make a synthetic Moon with known truth."""

from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.synthetic.synthesize import synthesize
from serving.cli.options import config_command
from steps.shared.inputs import file_digest
from steps.shared.store import prepare
from steps.shared.tracking import log_dataset, log_output, step_run
from steps.shared.waiting import alone


@config_command(SynthesizeConfig)
def main(config: SynthesizeConfig) -> None:
    """Make a mosaic, a crater catalogue in Robbins' columns, and a truth table."""
    config = prepare(config)
    with step_run("synthesize", config, name=f"moon-{config.crater_count}-seed{config.seed}"):
        with alone(config.output):
            moon = synthesize(config)
        mosaic = str(moon.mosaic_path)
        log_dataset(mosaic, name="mosaic", digest=file_digest(moon.mosaic_path), context="output")
        for name, path in (
            ("mosaic", moon.mosaic_path),
            ("catalogue", moon.catalogue_path),
            ("labels", moon.truth_path),
        ):
            log_output(name, str(path))


if __name__ == "__main__":
    main()
