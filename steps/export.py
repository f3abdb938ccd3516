"""Write an encoder in the formats of other programs."""

from pathlib import Path

import mlflow

from lunar_models.config.export import ExportConfig
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.interchange.hugging_face import export_encoder
from lunar_models.encoders.pretrained import CARD_FILE, SCHEME
from serving.cli.options import config_command
from steps.shared.registry import find_encoder
from steps.shared.store import prepare
from steps.shared.tracking import log_folder, log_metrics, log_output, step_run


@config_command(ExportConfig)
def main(config: ExportConfig) -> None:
    """Write an encoder in the Hugging Face layout and as ONNX, checked against torch."""
    config = prepare(config)
    with step_run("export", config, name=f"export-{Path(config.encoder_uri).name}"):
        folder = find_encoder(config.encoder_uri)
        checkpoint = Checkpoint.load(folder)
        mlflow.set_tag("encoder", checkpoint.encoder.name)
        packaged = config.encoder_uri.startswith(SCHEME)
        exported = export_encoder(
            checkpoint,
            Path(config.output),
            title=config.encoder_uri,
            card=(folder / CARD_FILE).read_text() if packaged else None,
            onnx=config.onnx,
        )
        if exported.onnx_difference is not None:
            log_metrics({"export/onnx_difference": exported.onnx_difference})
        log_output("export", log_folder(exported.folder, "export"))


if __name__ == "__main__":
    main()
