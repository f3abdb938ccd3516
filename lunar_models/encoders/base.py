"""Define the interface of all encoder families."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.errors import ConfigError
from lunar_models.heads.physical import DepthCorrection, ResidualTable

CPU = torch.device("cpu")


class Encoder(nn.Module, ABC):
    """Maps normalised crops to embeddings.

    All crops here are (B, 1, S, S) float32 in [-1, 1] (see `normalisation`), S = `crop_size_px`.
    Randomness comes only from the `generator` argument; what is random for each crop is drawn with
    `joint_batch.draw`, and a loss that compares crops gathers them (`joint_batch.gather`): so
    several processes learn what one would.
    """

    name: ClassVar[str]
    """Short name, for logs and for messages; of the built-in families also `-P encoder=…`."""
    embedding_dim: int
    crop_size_px: int
    context_diameters: float = 1.5
    """Side of its crops in crater diameters."""
    stays_on_device: ClassVar[bool] = False
    """Whether `loss` works, on a GPU, without waiting for it or for the CPU, and takes a generator
    of the crops' device: its gradient step can then be recorded."""
    adapts: ClassVar[bool] = False
    """Whether it was trained for the crops of any mosaic, see `Checkpoint.adapted_to`."""
    sees_brightness: bool = False
    """Whether it then takes crops relative to the brightness of their mosaic instead of their own,
    see `Normalisation.level`."""

    @property
    def device(self) -> torch.device:
        """Device that holds its weights."""
        return next((t.device for t in chain(self.parameters(), self.buffers())), CPU)

    @classmethod
    @abstractmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        """Build an untrained encoder with the sizes that the train step's parameters ask for."""

    @property
    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments that make an encoder of the same shape; plain values for JSON."""

    def see_crops(self, *, normalisation: Normalisation, context_diameters: float) -> None:
        """Told how its crops are made, by the checkpoint; most families need to know no more.

        Args:
            normalisation: what made the values that the encoder sees.
            context_diameters: side of a crop in crater diameters.
        """
        self.context_diameters = context_diameters

    def see_mosaic(self, crops: Tensor) -> None:
        """Shown crops of the mosaic that it is to work on; only families that adapt need them.

        Args:
            crops: (N, 1, S, S) float32 in [-1, 1], N at least 1.
        """

    @abstractmethod
    def _embed(self, crops: Tensor) -> Tensor:
        """(B, 1, S, S) -> (B, D), in evaluation mode, deterministic."""

    def embed(self, crops: Tensor) -> Tensor:
        """Embed crops.

        Deterministic: no dropout, no masking, independent of the other crops in the batch.

        Args:
            crops: (B, 1, S, S) float32 in [-1, 1].

        Returns:
            (B, D) float32, D = `embedding_dim`.
        """
        if len(crops) == 0:
            return crops.new_empty(0, self.embedding_dim)
        with torch.inference_mode(), evaluating(self):
            return self._embed(crops).float()

    def tell(self, crops: Tensor) -> dict[str, Tensor]:
        """Compute `outputs` in evaluation mode: in one pass what `embed`, `degradation` and
        `physics` give one by one.

        Args:
            crops: (B, 1, S, S) float32 in [-1, 1], B at least 1.
        """
        with torch.inference_mode(), evaluating(self):
            return self.outputs(crops)

    def outputs(self, crops: Tensor) -> dict[str, Tensor]:
        """Compute all that the encoder tells of a crop, in operations that can be exported.

        Args:
            crops: (B, 1, S, S) float32 in [-1, 1], B at least 1; the encoder is in evaluation mode.

        Returns:
            ``embedding`` (B, D); of families that know it, ``score`` and ``score_deviation`` (B,),
            see `degradation`, and ``physics`` (B, 2, 2), see `physics`. All float32.
        """
        return {"embedding": self._embed(crops).float()}

    def degradation(self, crops: Tensor) -> tuple[Tensor, Tensor] | None:
        """Tell how worn each crater is, where the encoder has been taught to tell.

        Returns:
            score: (B,) float32 in [0, 1]: the part of the training craters that are fresher.
            uncertainty: (B,) float32, one standard deviation of the score.
            None from families that only embed.
        """
        return None

    def physics(self, crops: Tensor) -> Tensor | None:
        """Physical quantities, where the encoder has been taught them.

        Returns:
            (B, 2, 2) float32: natural logarithms of K/R² and of depth over diameter, each with
            its predicted mean and standard deviation; None from families without them.
        """
        return None

    def residual_table(self) -> ResidualTable | None:
        """Tell how far truths lie from `physics`, for intervals; None from families without it."""
        return None

    def correct_depth(self, correction: DepthCorrection) -> None:
        """Take a correction of the predicted depths into the weights, in place.

        Raises:
            ConfigError: this family predicts no depth.
        """
        raise ConfigError(f"encoder={self.name} predicts no depth that could be corrected.")

    @property
    def brightness_limits(self) -> tuple[float, float] | None:
        """Least and largest brightness of a crop, over its mosaic's, that it tells from others.

        None from families that do not compare them, or without a `Normalisation.level`.
        """
        return None

    @property
    def can_reconstruct(self) -> bool:
        """Whether `reconstruct` works, that is, whether there is a decoder."""
        return type(self)._reconstruct is not Encoder._reconstruct

    def reconstruct(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Crops as the encoder remembers them, same shape as `crops`.

        Raises:
            ConfigError: this encoder has no decoder.
        """
        with torch.inference_mode(), evaluating(self):
            return self._reconstruct(crops, generator).float()

    def _reconstruct(self, crops: Tensor, generator: torch.Generator | None) -> Tensor:
        raise ConfigError(f"encoder={self.name} has no decoder, so it cannot reconstruct crops.")

    def mask(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor | None:
        """Tell what `reconstruct` with an equal generator hides from the encoder and has it guess.

        Returns:
            (B, 1, S, S) float32, 1 where hidden; None from families that see whole crops.
        """
        return None

    @abstractmethod
    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Scalars to report; ``"loss"`` among them is the one to minimise."""

    def blocks(self) -> list[nn.Module]:
        """Large parts that are run one after the other and worth compiling for training on a GPU.

        Those of equal shape are compiled once.
        """
        return []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return what to train: ``params``, and ``scale`` for the learning rate."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "scale": 1.0}]


class FittedEncoder(Encoder):
    """An encoder without gradient training: fitted in one go on a sample of crops."""

    @abstractmethod
    def fit(self, crops: Tensor, generator: torch.Generator) -> None:
        """Fit on (N, 1, S, S) float32 normalised training crops."""


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block, the former mode after it."""
    training = module.training
    if any(part.training for part in module.modules()):  # to set the mode takes ten times as long
        module.eval()
    try:
        yield
    finally:
        if training:
            module.train()
