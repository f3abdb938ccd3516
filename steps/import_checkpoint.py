"""Register an autoencoder of the original pipeline."""

import tempfile
from pathlib import Path

from lunar_models.config.import_checkpoint import ImportCheckpointConfig
from lunar_models.encoders.import_checkpoint import import_checkpoint
from serving.cli.options import config_command
from steps.shared.inputs import open_crops
from steps.shared.registry import golden_crops, log_registered, log_service_model
from steps.shared.store import prepare
from steps.shared.tracking import log_dataset, log_output, set_tag, step_run


@config_command(ImportCheckpointConfig)
def main(config: ImportCheckpointConfig) -> None:
    """Register an autoencoder of the original pipeline; it is read with weights only."""
    config = prepare(config)
    with step_run("import_checkpoint", config, name=f"import-{Path(config.file).stem}"):
        crop_set = open_crops(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="examples")
        checkpoint = import_checkpoint(
            config.file,
            crop_size_px=crop_set.info.crop_size_px,
            context_diameters=crop_set.info.context_diameters,
        )
        set_tag("encoder", checkpoint.encoder.name)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(folder)
            info = log_service_model(
                encoder=Path(folder),
                golden_crops=golden_crops(crop_set),
                registered_model=config.registered_model,
                tags={"encoder": checkpoint.encoder.name, "imported_from": Path(config.file).name},
                description=f"Autoencoder of the original pipeline, from {Path(config.file).name}.",
            )
        log_output("encoder_uri", info.model_uri)
        log_registered(config.registered_model, info)


if __name__ == "__main__":
    main()
