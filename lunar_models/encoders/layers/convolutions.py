"""Build the small convolutional networks of the self-supervised and the physical encoders."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

STRIDES = (2, 2, 1, 2, 1)
WIDTHS = (16, 32, 64, 64, 96)


class ConvolutionalNetwork(nn.Module):
    """(B, C, S, S) -> (B, D): five convolutions, then a linear layer that knows where things are.

    There is no pooling over the crop: the crater stands in its middle, and where a slope is tells
    whether it belongs to the crater or to a neighbour.
    """

    def __init__(self, *, crop_size_px: int, outputs: int, channels: int = 1) -> None:
        super().__init__()
        shapes = zip(pairwise((channels, *WIDTHS)), STRIDES, strict=True)
        self.convolutions = nn.Sequential(*(_convolution(a, b, s) for (a, b), s in shapes))
        side = math.ceil(crop_size_px / math.prod(STRIDES))
        self.linear = nn.Sequential(
            nn.Flatten(),
            nn.Linear(WIDTHS[-1] * side**2, outputs),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
        )

    def forward(self, crops: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, D) non-negative features."""
        features: Tensor = self.linear(self.convolutions(crops))
        return features


class ContrastNetwork(ConvolutionalNetwork):
    """The same network on three channels that differ in what the shading is compared with.

    The contrast of the crop's mosaic, the mean brightness, and the crop's own standard deviation:
    in turn they know less about the light and depend less on it.
    """

    def __init__(self, *, crop_size_px: int, outputs: int) -> None:
        super().__init__(crop_size_px=crop_size_px, outputs=outputs, channels=3)

    def forward(self, crops: Tensor, contrast: Tensor) -> Tensor:  # type: ignore[override]
        """Compute features.

        Args:
            crops: (B, 1, S, S) brightness over its mean, less 1, over `contrast`.
            contrast: (B,) of the mosaic.

        Returns:
            (B, D) not negative.
        """
        absolute = (0.5 * contrast[:, None, None, None] * crops).clamp(-1, 1)
        centred = crops - crops.mean((2, 3), keepdim=True)
        deviation = centred.square().mean((2, 3), keepdim=True).sqrt()
        own = 0.5 * centred / (deviation + 0.02)
        return super().forward(torch.cat([crops, absolute, own], 1))


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Module:
    kernel = 5 if inputs <= 3 else 3
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def projector(inputs: int, outputs: int) -> nn.Sequential:
    """Where a self-supervised loss looks; thrown away afterwards."""
    return nn.Sequential(
        nn.Linear(inputs, outputs),
        nn.BatchNorm1d(outputs),
        nn.ReLU(inplace=True),
        nn.Linear(outputs, outputs),
    )
