"""Combine several encoders: concatenate their embeddings with equal weights."""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.base import Encoder, FittedEncoder
from lunar_models.errors import ConfigError


class EnsembleEncoder(FittedEncoder):
    """Concatenated embeddings, each member centred and scaled to unit total variance.

    The scales are fitted on training crops; inside a member, dimensions keep their proportions.
    Members come trained, as checkpoint folders; the names of families that are fitted in one go
    may stand for themselves and are fitted here.
    """

    name = "ensemble"
    centre: Tensor
    scale: Tensor

    def __init__(self, *, crop_size_px: int, members: Sequence[dict[str, Any]]) -> None:
        """Members as ``encoder``, their name, and ``arguments``, as in a checkpoint."""
        from lunar_models.encoders.build import find_family  # imports this module

        super().__init__()
        built = [find_family(member["encoder"])(**member["arguments"]) for member in members]
        sizes = {member.crop_size_px for member in built}
        if sizes != {crop_size_px}:
            raise ConfigError(
                f"The members of the ensemble take crops of {sorted(sizes)} px, these have "
                f"{crop_size_px} px; all must be the same."
            )
        self.crop_size_px = crop_size_px
        self.members: Sequence[Encoder] = nn.ModuleList(built).requires_grad_(False)  # type: ignore[assignment]
        self.embedding_dim = sum(member.embedding_dim for member in built)
        self._trained: dict[int, Normalisation] = {}
        self.register_buffer("centre", torch.zeros(self.embedding_dim))
        self.register_buffer("scale", torch.ones(self.embedding_dim))

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        from lunar_models.encoders.build import ENCODERS, family_name
        from lunar_models.encoders.checkpoint import Checkpoint

        if not config.members:
            raise ConfigError("encoder=ensemble needs at least one of members.")
        trained: dict[int, Normalisation] = {}
        members: list[Encoder] = []
        for number, member in enumerate(config.members):
            family = ENCODERS.get(member)
            if family is None:
                checkpoint = Checkpoint.load(member)
                if not checkpoint.encoder.adapts:
                    trained[number] = checkpoint.normalisation
                members.append(checkpoint.encoder)
            elif issubclass(family, FittedEncoder) and family is not cls:
                members.append(family.from_config(config, crop_size_px=crop_size_px))
            else:
                raise ConfigError(
                    f"members: {member} must be trained first; give its URI or checkpoint folder."
                )
        described = [{"encoder": family_name(m), "arguments": m.arguments} for m in members]
        ensemble = cls(crop_size_px=crop_size_px, members=described)
        for ours, theirs in zip(ensemble.members, members, strict=True):
            ours.load_state_dict(theirs.state_dict())
        ensemble._trained = trained
        return ensemble

    @property
    def arguments(self) -> dict[str, Any]:
        from lunar_models.encoders.build import family_name

        members = [{"encoder": family_name(m), "arguments": m.arguments} for m in self.members]
        return {"crop_size_px": self.crop_size_px, "members": members}

    def see_crops(self, *, normalisation: Normalisation, context_diameters: float) -> None:
        for number, theirs in self._trained.items():
            if theirs != normalisation:
                raise ConfigError(
                    f"Member {number} of the ensemble ({self.members[number].name}) was trained "
                    f"with {theirs}, these crops are normalised with {normalisation}, and all "
                    "members see the same crops; train it on this crop set. An imported encoder "
                    "keeps its own normalisation, so it cannot be a member."
                )
        super().see_crops(normalisation=normalisation, context_diameters=context_diameters)
        for member in self.members:
            member.see_crops(normalisation=normalisation, context_diameters=context_diameters)

    def fit(self, crops: Tensor, generator: torch.Generator) -> None:
        scales, centres = [], []
        for number, member in enumerate(self.members):
            if isinstance(member, FittedEncoder) and number not in self._trained:
                member.fit(crops, generator)
            embeddings = torch.cat([member.embed(part) for part in torch.split(crops, 512)])
            deviation = embeddings.var(0, unbiased=False).sum().sqrt().clamp_min(1e-12)
            scales.append((1 / deviation).expand(member.embedding_dim))
            centres.append(embeddings.mean(0))
        self.scale.copy_(torch.cat(scales))
        self.centre.copy_(torch.cat(centres))

    def _embed(self, crops: Tensor) -> Tensor:
        return self._together([member._embed(crops) for member in self.members])

    def outputs(self, crops: Tensor) -> dict[str, Tensor]:
        """Return what `Encoder.outputs` does; the score is that of `degradation`."""
        told = [member.outputs(crops) for member in self.members]
        taught = next((each for each in told if "score" in each), {})
        names = ("score", "score_deviation")
        scores: dict[str, Tensor] = {n: taught[n] for n in names if n in taught}
        return {"embedding": self._together([each["embedding"] for each in told]), **scores}

    def _together(self, embeddings: list[Tensor]) -> Tensor:
        joined = torch.cat([embedding.float() for embedding in embeddings], 1)
        return (joined - self.centre) * self.scale

    def degradation(self, crops: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the score of the first member that has been taught to tell."""
        answers = (member.degradation(crops) for member in self.members)
        return next((answer for answer in answers if answer is not None), None)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Sum of the members' losses, which are of different kinds: only to have a number."""
        losses = [member.loss(crops, generator)["loss"] for member in self.members]
        return {"loss": torch.stack(losses).sum()}
