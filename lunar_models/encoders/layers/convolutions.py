"""Build the small convolutional networks of the self-supervised and the physical encoders."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

STRIDES = (2, 2, 1, 2, 1)
WIDTHS = (16, 32, 64, 64, 96)
RESIDUAL_WIDTHS, RESIDUAL_BLOCKS = (64, 128, 256), (2, 3, 2)


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
        self.map_channels, self.map_side = WIDTHS[-1], side
        self.linear = _located(WIDTHS[-1], side, outputs)

    def forward(self, crops: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, D) non-negative features."""
        features: Tensor = self.linear(self.convolutions(crops))
        return features


class ContrastNetwork(ConvolutionalNetwork):
    """The same network on the channels of `contrast_channels`."""

    def __init__(self, *, crop_size_px: int, outputs: int) -> None:
        super().__init__(crop_size_px=crop_size_px, outputs=outputs, channels=3)

    def forward(self, crops: Tensor, contrast: Tensor) -> Tensor:  # type: ignore[override]
        """(B, 1, S, S) crops and (B,) contrasts, see `contrast_channels` -> (B, D), >= 0."""
        return super().forward(contrast_channels(crops, contrast))

    def maps(self, crops: Tensor, contrast: Tensor) -> Tensor:
        """Compute the last feature maps, (B, map_channels, map_side, map_side), >= 0."""
        maps: Tensor = self.convolutions(contrast_channels(crops, contrast))
        return maps


class ResidualNetwork(nn.Module):
    """The large network: residual blocks (He et al. 2016) with squeeze and excitation.

    As `ContrastNetwork` it has no pooling over the crop at its end. About 4 million parameters.
    """

    def __init__(self, *, crop_size_px: int, outputs: int) -> None:
        super().__init__()
        width = RESIDUAL_WIDTHS[0]
        blocks: list[nn.Module] = [_convolution(3, width, 2)]
        for n, (wide, count) in enumerate(zip(RESIDUAL_WIDTHS, RESIDUAL_BLOCKS, strict=True)):
            for block in range(count):
                blocks.append(ResidualBlock(width, wide, 2 if n and not block else 1))
                width = wide
        self.blocks = nn.Sequential(*blocks)
        side = math.ceil(crop_size_px / 2 ** len(RESIDUAL_WIDTHS))
        self.map_channels, self.map_side = width, side
        self.linear = _located(width, side, outputs)

    def forward(self, crops: Tensor, contrast: Tensor) -> Tensor:
        """(B, 1, S, S) crops and (B,) contrasts, see `contrast_channels` -> (B, D), >= 0."""
        features: Tensor = self.linear(self.maps(crops, contrast))
        return features

    def maps(self, crops: Tensor, contrast: Tensor) -> Tensor:
        """Compute the last feature maps, (B, map_channels, map_side, map_side), >= 0."""
        maps: Tensor = self.blocks(contrast_channels(crops, contrast))
        return maps


class ResidualBlock(nn.Module):
    """Two convolutions, scaled channel by channel (Hu et al. 2018), added to their input."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(outputs)
        nn.init.zeros_(last.weight)  # a new block passes its input on
        self.convolutions = nn.Sequential(
            *_convolution(inputs, outputs, stride),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            last,
        )
        self.excitation = nn.Sequential(
            nn.Linear(outputs, outputs // 8), nn.ReLU(), nn.Linear(outputs // 8, outputs)
        )
        kept = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if kept else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
        )  # fmt: skip

    def forward(self, values: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride), >= 0."""
        change: Tensor = self.convolutions(values)
        scale = self.excitation(change.mean((2, 3))).sigmoid()
        return torch.relu(self.shortcut(values) + change * scale[:, :, None, None])


def contrast_channels(crops: Tensor, contrast: Tensor) -> Tensor:
    """Make three channels that differ in what the shading is compared with.

    The contrast of the crop's mosaic, the mean brightness, and the crop's own standard deviation:
    in turn they know less about the light and depend less on it.

    Args:
        crops: (B, 1, S, S) brightness over its mean, less 1, over `contrast`.
        contrast: (B,) of the mosaic.

    Returns:
        (B, 3, S, S)
    """
    absolute = (0.5 * contrast[:, None, None, None] * crops).clamp(-1, 1)
    centred = crops - crops.mean((2, 3), keepdim=True)
    deviation = centred.square().mean((2, 3), keepdim=True).sqrt()
    own = 0.5 * centred / (deviation + 0.02)
    return torch.cat([crops, absolute, own], 1)


def _located(channels: int, side: int, outputs: int) -> nn.Sequential:
    """(B, C, side, side) -> (B, D) not negative: a linear layer that knows where things are."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * side**2, outputs),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
    )


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    kernel = 5 if inputs <= 3 else 3
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def projector(inputs: int, outputs: int) -> nn.Sequential:
    """Build the projection head of a self-supervised loss, which is discarded afterwards."""
    return nn.Sequential(
        nn.Linear(inputs, outputs),
        nn.BatchNorm1d(outputs),
        nn.ReLU(inplace=True),
        nn.Linear(outputs, outputs),
    )
