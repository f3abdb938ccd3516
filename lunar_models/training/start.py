"""Train an encoder from the parameters of the train step."""

from pathlib import Path

import torch

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.encoders.build import build_encoder
from lunar_models.joint_batch import rank
from lunar_models.page_cache import keep_memory
from lunar_models.training.results import OnCrops, OnEpoch, TrainingResult
from lunar_models.training.threads import OnThreads
from lunar_models.training.trainer import Trainer


def train(
    crop_set: CropSet,
    config: TrainConfig,
    *,
    on_epoch: OnEpoch | None = None,
    on_crops: OnCrops | None = None,
    on_threads: OnThreads | None = None,
    work_dir: str | Path | None = None,
) -> TrainingResult:
    """Train on the training split; keep the epoch with the smallest validation loss.

    Two calls with equal arguments on the same machine give equal weights if they compute on equally
    many threads: with `config.threads` given, or on an idle CPU. Else sums are rounded differently,
    see `threads`. Under a launcher of several processes (see `distributed`) each takes
    `batch_size` crops per step; only the first one calls back and writes.

    Args:
        crop_set: what to train and validate on.
        config: what to train, and how.
        on_epoch: see `OnEpoch`.
        on_crops: see `OnCrops`.
        on_threads: see `OnThreads`.
        work_dir: folder for the best checkpoint so far (``best``) and for the state to resume from
            after a kill: called again with the same folder, training resumes after the last
            finished epoch.

    Raises:
        ConfigError: the parameters do not fit the crop set, the loss is not finite any more, or
            `work_dir` holds another training.
        CropSetError: the training or the validation split has no crops.
    """
    keep_memory()
    torch.manual_seed(config.seed)  # initial weights; each epoch has its own generators
    encoder = build_encoder(config, crop_size_px=crop_set.info.crop_size_px)
    trainer = Trainer(encoder, crop_set, config, None if work_dir is None else Path(work_dir))
    if rank() == 0:
        trainer.on_epoch = on_epoch or trainer.on_epoch
        trainer.on_crops = on_crops or trainer.on_crops
        trainer.on_threads = on_threads or trainer.on_threads
    trains = any(group["params"] for group in encoder.parameter_groups())
    return trainer.run() if trains else trainer.fit()
