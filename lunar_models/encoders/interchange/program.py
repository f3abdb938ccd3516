"""Turn an encoder and the normalisation of its crops into one exported program."""

import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn

from lunar_models.encoders.checkpoint import Checkpoint

BATCH = 5
"""Of the example that is traced; any other number of crops works as well."""


class CropsIn(nn.Module):
    """Maps crops as they are stored to all that an encoder tells of them.

    An encoder that adapts to crop sets takes the contrast of its mosaic as a second input: it is
    what `Checkpoint.adapted_to` finds.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.encoder = checkpoint.encoder.eval().requires_grad_(False)
        self.normalisation = checkpoint.normalisation

    @property
    def input_names(self) -> list[str]:
        """``crops`` and, of an encoder that adapts, ``contrast``."""
        return ["crops", "contrast"] if self.encoder.adapts else ["crops"]

    def example(self, count: int = BATCH) -> tuple[Tensor, ...]:
        """Return (count, S, S) float32 crops of noise, and a contrast where one is asked for."""
        side = self.encoder.crop_size_px
        generator = torch.Generator().manual_seed(0)
        crops = (torch.rand(count, side, side, generator=generator) * 200 + 20).round()
        if self.encoder.adapts:
            return crops, torch.tensor([self.normalisation.clip])
        return (crops,)

    def forward(self, crops: Tensor, contrast: Tensor | None = None) -> dict[str, Tensor]:
        """Embed crops.

        Args:
            crops: (B, S, S) float32, 0 to 255, Sun in the east; B at least 1.
            contrast: (1,) float32 of the mosaic.

        Returns:
            as `Encoder.outputs`.
        """
        if contrast is None:
            return self.encoder.outputs(self.normalisation(crops))
        normalisation = replace(self.normalisation, clip=contrast)  # type: ignore[arg-type]
        of_each = contrast.expand(crops.shape[0])
        return self.encoder.outputs(normalisation(crops), of_each)  # type: ignore[call-arg]


def export_program(module: CropsIn) -> torch.export.ExportedProgram:
    """Trace with `torch.export`, for any number of crops."""
    example = module.example()
    dynamic = dict.fromkeys(module.input_names)
    dynamic["crops"] = {0: torch.export.Dim.DYNAMIC}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch itself will change
        return torch.export.export(module, example, dynamic_shapes=dynamic)
