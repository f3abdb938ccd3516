"""Train an encoder on a crop set and register it."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure

from lunar_models.config.train import TrainConfig, encoder_label
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import reconstruct_crops
from lunar_models.encoders.build import ENCODERS, Encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import ConfigError
from lunar_models.joint_batch import rank, world
from lunar_models.plots.training import loss_curve, reconstructions
from lunar_models.training import Metrics, TrainingResult, train
from lunar_models.training.resume import RESUME_FILE, fingerprint
from serving.cli.options import config_command
from steps.shared.cache import code_digest
from steps.shared.inputs import open_crops
from steps.shared.registry import (
    find_encoder,
    golden_crops,
    log_registered,
    log_service_model,
)
from steps.shared.store import connect, prepare
from steps.shared.tracking import (
    log_dataset,
    log_figure_at,
    log_figures,
    log_folder,
    log_metrics,
    log_output,
    set_tag,
    step_run,
)
from steps.shared.training_progress import TrainingProgress

SHOWN_CROPS = 8
SLIDER_CROPS = 4
"""MLflow's slider shows pictures 256 px wide."""
_LOGGED = {"train/loss": "loss/train", "validation/loss": "loss/validation"}
"""MLflow puts metrics with one prefix side by side: the two curves belong together."""


@config_command(TrainConfig)
def main(config: TrainConfig) -> None:
    """Train an encoder and register it as an encoder version.

    A killed training resumes after its last epoch when the same command is given again.
    """
    if rank() > 0:  # the first of several processes tells what happens
        crop_set = open_crops(config.crops)
        train(crop_set, _with_members_here(config), work_dir=_work_dir(config, crop_set))
        return
    config = prepare(config)
    with step_run("train", config, name=f"{encoder_label(config)}-e{config.epochs}"):
        set_tag("encoder", config.encoder)
        crop_set = open_crops(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="training")
        with _alone_in(_work_dir(config, crop_set)) as work_dir:
            result = _train(crop_set, _with_members_here(config), work_dir)
            _log_result(result, crop_set, config)
            shutil.rmtree(work_dir, ignore_errors=True)


def _with_members_here(config: TrainConfig) -> TrainConfig:
    """The same, with checkpoint folders for those members of an ensemble that are URIs.

    Raises:
        UserError: a member is neither a family, nor a path, nor in the tracking store.
    """
    # Where they are downloaded to is chance, and must not mark a training that does not use them.
    if config.encoder != "ensemble":
        return config
    connect()  # of several processes only the first has a run
    members = (m if m in ENCODERS else str(find_encoder(m)) for m in config.members)
    return config.replace(members=tuple(members))


def _work_dir(config: TrainConfig, crop_set: CropSet) -> Path:
    """Where this very training, by this very code, keeps its state."""
    mark = fingerprint(config, crop_set.info.digest, world())
    return Path(config.output) / f"{mark[:12]}-{code_digest()[:12]}"


@contextmanager
def _alone_in(folder: Path) -> Iterator[Path]:
    """Make the folder and keep it to this process: two would mix up each other's state."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"output={folder.parent} cannot be written ({error.strerror}); choose another folder."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"Another process does the same training in {folder}; wait for it, or choose "
                "another output."
            ) from error
        try:
            yield folder
        finally:
            if not (folder / RESUME_FILE).exists():  # nothing to go on with
                shutil.rmtree(folder, ignore_errors=True)


def _train(crop_set: CropSet, config: TrainConfig, work_dir: Path) -> TrainingResult:
    """Train, logging each epoch."""
    with TrainingProgress(config.epochs, len(crop_set.indices("train"))) as progress:

        def on_epoch(epoch: int, metrics: Metrics, encoder: Encoder | None) -> None:
            log_metrics({_LOGGED.get(k, k): value for k, value in metrics.items()}, step=epoch)
            if encoder is not None and encoder.can_reconstruct:
                shown = _shown(encoder, crop_set, SLIDER_CROPS)
                log_figure_at("reconstructions", shown, step=epoch)
            progress.on_epoch(epoch, metrics, resumed=encoder is None)

        return train(
            crop_set,
            config,
            on_epoch=on_epoch,
            on_crops=progress.on_crops,
            on_threads=progress.on_threads,
            work_dir=work_dir,
        )


def _shown(encoder: Encoder, crop_set: CropSet, count: int = SHOWN_CROPS) -> Figure:
    """The same few validation crops each time, and what the encoder makes of them."""
    shown = crop_set.crops[crop_set.indices("validation")[:count]]
    return reconstructions(*reconstruct_crops(Checkpoint.for_crops(encoder, crop_set), shown))


def _log_result(result: TrainingResult, crop_set: CropSet, config: TrainConfig) -> None:
    encoder = result.checkpoint.encoder.cpu()
    validation_loss = result.history[result.best_epoch]["validation/loss"]
    log_metrics(
        {
            "best/epoch": result.best_epoch,
            "best/validation_loss": validation_loss,
            "encoder/parameters": sum(p.numel() for p in encoder.state_dict().values()),
        }
    )
    figures = {"figures/loss_curve.png": loss_curve(result.history, result.best_epoch)}
    if encoder.can_reconstruct:
        figures["figures/reconstructions.png"] = _shown(encoder, crop_set)
    log_figures(figures)
    with tempfile.TemporaryDirectory() as folder:
        result.checkpoint.save(folder)
        log_folder(Path(folder), "checkpoint")
        info = log_service_model(
            encoder=Path(folder),
            golden_crops=golden_crops(crop_set),
            registered_model=config.registered_model,
            tags={
                "encoder": config.encoder,
                "crops_digest": crop_set.info.digest,
                "validation_loss": f"{validation_loss:.6g}",
            },
            description=f"{config.encoder} encoder, {encoder.embedding_dim} dimensions, trained "
            f"on {len(crop_set.indices('train'))} crops of {encoder.crop_size_px} px.",
        )
    log_output("encoder_uri", info.model_uri)
    log_registered(config.registered_model, info)


if __name__ == "__main__":
    main()
