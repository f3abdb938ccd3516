"""Train encoders on simulated craters only: no mosaic, no catalogue, no label."""

from functools import partial
from pathlib import Path

from tqdm import tqdm

from lunar_models.config.pretrain import PretrainConfig
from lunar_models.training.pretraining import PretrainingResult, pretrain
from serving.cli.options import config_command
from steps.shared.registry import log_service_model
from steps.shared.store import prepare
from steps.shared.tracking import log_folder, log_metrics, log_output, step_run
from steps.shared.training_progress import tell_threads


@config_command(PretrainConfig)
def main(config: PretrainConfig) -> None:
    """Train encoders on simulated craters only, with calibrated physical quantities."""
    config = prepare(config)
    with (
        step_run("pretrain", config, name=f"pretrain-{config.steps}"),
        tqdm(total=config.steps, unit="step", disable=None) as bar,
    ):

        def on_step(step: int, losses: dict[str, float]) -> None:
            log_metrics({f"train/{name}": value for name, value in losses.items()}, step=step)
            bar.update(step - bar.n)

        results = pretrain(config, on_step=on_step, on_threads=partial(tell_threads, bar))
        for number, result in enumerate(results):
            name = f"{number}-{result.network}" if len(results) > 1 else ""
            _log_result(result, config, name)


def _log_result(result: PretrainingResult, config: PretrainConfig, name: str) -> None:
    """Log and register one encoder; `name` tells it from the others of this run."""
    encoder = result.checkpoint.encoder.cpu()
    parameters = sum(p.numel() for p in encoder.state_dict().values())
    metrics = {**result.metrics, "encoder/parameters": parameters}
    log_metrics({f"{name}/{key}" if name else key: value for key, value in metrics.items()})
    folder = Path(config.output) / "encoder" / name
    result.checkpoint.save(folder)
    log_folder(folder, f"checkpoint/{name}" if name else "checkpoint")
    info = log_service_model(
        encoder=folder,
        golden_crops=result.examples,
        registered_model=config.registered_model,
        tags={"encoder": encoder.name},
        description=f"{encoder.name} encoder, {encoder.embedding_dim} dimensions, {result.network} "
        f"network, trained on simulated craters in {config.steps} steps; crops of "
        f"{encoder.crop_size_px} px.",
    )
    log_output(f"encoder_uri.{name}" if name else "encoder_uri", info.model_uri)


if __name__ == "__main__":
    main()
