"""The small convolutional network behind the self-supervised and the physics encoders."""

import math
from itertools import pairwise

from torch import Tensor, nn

STRIDES = (2, 2, 1, 2, 1)
WIDTHS = (16, 32, 64, 64, 96)


class ConvolutionalNetwork(nn.Module):
    """(B, 1, S, S) -> (B, D): five convolutions, then a linear layer that knows where things are.

    There is no pooling over the crop: the crater stands in its middle, and where a slope is tells
    whether it belongs to the crater or to a neighbour.
    """

    def __init__(self, *, crop_size_px: int, outputs: int) -> None:
        super().__init__()
        shapes = zip(pairwise((1, *WIDTHS)), STRIDES, strict=True)
        self.convolutions = nn.Sequential(*(_convolution(a, b, s) for (a, b), s in shapes))
        side = math.ceil(crop_size_px / math.prod(STRIDES))
        self.linear = nn.Sequential(
            nn.Flatten(),
            nn.Linear(WIDTHS[-1] * side**2, outputs),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
        )

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 1, S, S) -> (B, D) non-negative features."""
        features: Tensor = self.linear(self.convolutions(crops))
        return features


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Module:
    kernel = 5 if inputs == 1 else 3
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
