"""Train an encoder on simulated craters only: no mosaic, no catalogue, no label."""

from pathlib import Path

from tqdm import tqdm

from lunar_models.config.pretrain import PretrainConfig
from lunar_models.training.pretraining import PretrainingResult, pretrain
from serving.cli.options import config_command
from steps.shared.registry import log_service_model
from steps.shared.store import prepare
from steps.shared.tracking import log_folder, log_metrics, log_output, step_run


@config_command(PretrainConfig)
def main(config: PretrainConfig) -> None:
    """Train an encoder on simulated craters only, with calibrated physical quantities."""
    config = prepare(config)
    with (
        step_run("pretrain", config, name=f"pretrain-{config.steps}"),
        tqdm(total=config.steps, unit="step", disable=None) as bar,
    ):

        def on_step(step: int, losses: dict[str, float]) -> None:
            log_metrics({f"train/{name}": value for name, value in losses.items()}, step=step)
            bar.update(step - bar.n)

        _log_result(pretrain(config, on_step=on_step), config)


def _log_result(result: PretrainingResult, config: PretrainConfig) -> None:
    encoder = result.checkpoint.encoder.cpu()
    parameters = sum(p.numel() for p in encoder.state_dict().values())
    log_metrics({**result.metrics, "encoder/parameters": parameters})
    folder = Path(config.output) / "encoder"
    result.checkpoint.save(folder)
    log_folder(folder, "checkpoint")
    info = log_service_model(
        encoder=folder,
        golden_crops=result.examples,
        registered_model=config.registered_model,
        tags={"encoder": encoder.name},
        description=f"{encoder.name} encoder, {encoder.embedding_dim} dimensions, trained on "
        f"simulated craters in {config.steps} steps; crops of {encoder.crop_size_px} px.",
    )
    log_output("encoder_uri", info.model_uri)


if __name__ == "__main__":
    main()
