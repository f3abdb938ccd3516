"""Run the two sides of `benchmarks.training`, each in a process of its own."""

import copy
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from transformers import ViTMAEConfig

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders.build import Encoder, build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.vit_mae import ViTMaeEncoder
from lunar_models.encoders.precision import pick_device
from lunar_models.page_cache import keep_memory
from lunar_models.training.trainer import Trainer

BATCH = TrainConfig.model_fields["batch_size"].default
"""Crops of a step, of both sides; they embed EMBED_BATCH at once."""
EMBED_BATCH = 64
LEARNING_RATE = 1e-3
DEVICE = pick_device()


def config(encoder: str) -> TrainConfig:
    """Both sides minimise the same: no flips, no clipping, one learning rate."""
    return TrainConfig(
        crops="",
        encoder=encoder if encoder != "vit_mae_base" else "vit_mae",  # type: ignore[arg-type]
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        weight_decay=0.01,  # as PyTorch's default
        schedule="constant",
        warmup_epochs=0.0,
        gradient_clip=0.0,
        augment=False,
    )


def build(name: str, side: int, seed: int) -> Encoder:
    """An encoder with the same weights each time."""
    torch.manual_seed(seed)
    if name != "vit_mae_base":
        return build_encoder(config(name), crop_size_px=side)
    input_format = {"side_px": side // 16 * 16, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    return ViTMaeEncoder(
        crop_size_px=side, architecture=ViTMAEConfig().to_dict(), input_format=input_format
    )


class Stored(Dataset[Tensor]):
    """Some crops of a memory map, one by one."""

    def __init__(self, crops: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> None:
        self.crops, self.rows = crops, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Tensor:
        return torch.from_numpy(np.array(self.crops[self.rows[number]]))


class Plain:
    """The loop of a tutorial."""

    def __init__(self, name: str, crop_set: CropSet, seed: int = 0) -> None:
        self.encoder = build(name, crop_set.info.crop_size_px, seed).to(DEVICE)
        self.normalise = Checkpoint.for_crops(self.encoder, crop_set).normalisation
        if isinstance(self.encoder, ViTMaeEncoder):
            self.encoder.model.set_attn_implementation("sdpa")  # transformers' own choice
        self.optimiser = torch.optim.AdamW(self.encoder.parameters(), lr=LEARNING_RATE)
        self.crops = crop_set.crops
        training = Stored(self.crops, crop_set.indices("train"))
        self.loader = DataLoader(training, BATCH, shuffle=True, drop_last=True)

    def loss(self, crops: Tensor) -> Tensor:
        """What a user of the model would call."""
        if isinstance(self.encoder, ViTMaeEncoder):
            return self.encoder.model(self.encoder.input_format(crops)).loss  # type: ignore[no-any-return]
        return self.encoder.loss(crops)["loss"]

    def train(self, steps: int) -> None:
        """Some steps of an epoch."""
        self.encoder.train()
        for _, crops in zip(range(steps), self.loader, strict=False):
            self.optimiser.zero_grad()
            loss = self.loss(self.normalise(crops.to(DEVICE)))
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            loss.item()

    def embed(self, crops: int, precision: str) -> Any:
        """One forward pass for each batch of the loader without shuffling."""
        self.encoder.eval()
        stored = Stored(self.crops, np.arange(crops))
        with torch.no_grad():
            parts = [
                self.encoder._embed(self.normalise(batch.to(DEVICE))).cpu()
                for batch in DataLoader(stored, EMBED_BATCH)
            ]
        return torch.cat(parts).numpy()


class Ours:
    """What `lunar_models.training` and `lunar_models.embedding` do."""

    def __init__(self, name: str, crop_set: CropSet, seed: int = 0) -> None:
        keep_memory()
        encoder = build(name, crop_set.info.crop_size_px, seed)
        self.trainer = Trainer(encoder, crop_set, config(name), None)
        self.trainer.prepare()
        self.encoder, self.checkpoint = self.trainer.encoder, self.trainer.checkpoint
        self.crops = crop_set.crops
        self.order = np.random.default_rng(seed)
        self.trainer.generator.manual_seed(seed)

    def train(self, steps: int) -> None:
        """Some steps of an epoch."""
        self.encoder.train()
        batches = self.trainer.training_batches(self.order)
        for step, crops in zip(range(steps), batches, strict=False):
            self.trainer.step(step, crops)
        batches.close()  # type: ignore[attr-defined]

    def embed(self, crops: int, precision: Any) -> Any:
        """The same crops, from a whole file: a part of a map would be read through the map."""
        stored, shape = self.crops, (crops, *self.crops.shape[1:])
        assert isinstance(stored, np.memmap)
        first = np.memmap(stored.filename, np.uint8, "r", stored.offset, shape)
        return embed_crops(self.checkpoint, first, precision=precision)


def validation_loss(encoder: Encoder, crop_set: CropSet, name: str) -> float:
    """In float32 and with the same masks for both sides."""
    judge = Trainer(copy.deepcopy(encoder), crop_set, config(name), None)
    judge.autocast = torch.autocast(DEVICE.type, enabled=False)
    return judge.mean_loss(judge.validation)


def seed_losses(
    side: type["Plain"] | type["Ours"], name: str, crop_set: CropSet, steps: int, seeds: int
) -> list[float]:
    """What each seed's weights, batches and masks end with."""
    losses = []
    for seed in range(seeds):
        worker = side(name, crop_set, seed)
        worker.train(steps)
        losses.append(validation_loss(worker.encoder, crop_set, name))
    return losses


def flops(plain: Plain) -> tuple[float, float]:
    """GFLOP of one crop in training and in embedding."""
    with FlopCounterMode(display=False) as training:
        plain.train(1)
    with FlopCounterMode(display=False) as embedding:
        plain.embed(BATCH, "fp32")
    per_crop = (c.get_total_flops() / BATCH / 1e9 for c in (training, embedding))
    return tuple(per_crop)  # type: ignore[return-value]


def peak_memory() -> float:
    """MiB this process has held at most; `ru_maxrss` would count the process it was made by."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) / 2**10


def serve(side: str, name: str, folder: Path, line: Connection) -> None:
    """Do what the main process asks for; answer with the seconds and the result."""
    crop_set = CropSet.open(folder)
    kind = {"plain": Plain, "ours": Ours}[side]
    worker = kind(name, crop_set)
    requests: dict[str, Callable[..., Any]] = {
        "train": worker.train,
        "embed": worker.embed,
        "losses": lambda steps, seeds: seed_losses(kind, name, crop_set, steps, seeds),
        "flops": lambda: flops(Plain(name, crop_set)),
        "memory": peak_memory,
    }
    while request := line.recv():
        started = time.perf_counter()
        answer = requests[request[0]](*request[1:])
        line.send((time.perf_counter() - started, answer))


class Side:
    """A process that computes one way."""

    def __init__(self, side: str, name: str, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        context.Process(target=serve, args=(side, name, folder, theirs), daemon=True).start()

    def __call__(self, *request: Any) -> tuple[float, Any]:
        """Seconds, and what came out."""
        self.line.send(request)
        answer: tuple[float, Any] = self.line.recv()
        return answer

    def stop(self) -> None:
        """Let the process end."""
        self.line.send(None)
