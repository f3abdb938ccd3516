"""Make a copy of an encoder for inference only, which embeds faster."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lunar_models.encoders.base import Encoder
from lunar_models.encoders.precision import has_bf16


def inference_copy(encoder: Encoder, dtype: torch.dtype = torch.float32) -> Encoder:
    """Copy an encoder for faster inference, with equal embeddings up to rounding.

    Batch normalisations are folded into the convolutions before them, and weights lie with their
    channels last. On the CPU layers get their weights in `dtype` and in oneDNN's own order once
    instead of in each pass, and convolutions do the ReLU after them; elsewhere linear layers share
    theirs with `encoder`.

    Args:
        encoder: on the device where it will embed; what is such a copy is returned as it is.
        dtype: what layers compute in on the CPU; elsewhere that is left to autocast.
    """
    if any(isinstance(module, _Linear | _Convolution) for module in encoder.modules()):
        return encoder
    linear = [module for module in encoder.modules() if type(module) is nn.Linear]
    shared = {id(p): p for layer in linear for p in layer.parameters()}
    copy = deepcopy(encoder, shared).eval()
    on_cpu = encoder.device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    packs = on_cpu and (dtype == torch.float32 or has_bf16(encoder.device))
    _replace_layers(copy, dtype if packs else None)
    return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _replace_layers(module: nn.Module, dtype: torch.dtype | None) -> None:
    """Put faster layers into `module`; only fold batch normalisations if `dtype` is None."""
    for name, child in module.named_children():
        if type(child) is nn.Linear and dtype is not None:
            setattr(module, name, _Linear(child, dtype))
            continue
        if type(child) is nn.Sequential:
            child = _fused(child, dtype)
            setattr(module, name, child)
        _replace_layers(child, dtype)


def _fused(layers: nn.Sequential, dtype: torch.dtype | None) -> nn.Sequential:
    """One layer for a convolution and what follows it."""
    fused: list[nn.Module] = []
    for layer in layers:
        before = fused[-1] if fused else None
        if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
            fused[-1] = fuse_conv_bn_eval(before, layer)
        elif isinstance(before, nn.Conv2d) and isinstance(layer, nn.ReLU) and dtype is not None:
            fused[-1] = _Convolution(before, dtype)
        else:
            fused.append(layer)
    return nn.Sequential(*fused)


class _Linear(nn.Module):
    """A linear layer with packed weights."""

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        weight = linear.weight.detach().to(dtype)
        # Neither a parameter nor a buffer: a packed tensor can be neither saved nor moved.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight)
        self.bias = None if linear.bias is None else linear.bias.detach().to(dtype)

    def forward(self, values: Tensor) -> Tensor:
        """(..., inputs) of any type -> (..., outputs) of `dtype`."""
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(
            values.to(self.dtype), self.weight, self.bias, "none", [], ""
        )
        return outputs


class _Convolution(nn.Module):
    """A convolution and the ReLU after it."""

    def __init__(self, convolution: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        weight = convolution.weight.detach().to(dtype)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = None if convolution.bias is None else convolution.bias.detach().to(dtype)
        sizes = convolution.padding, convolution.stride, convolution.dilation
        self.arguments: tuple[Any, ...] = (*sizes, convolution.groups, "relu", [], "")

    def forward(self, values: Tensor) -> Tensor:
        """(B, inputs, H, W) of any type -> (B, outputs, H', W') of `dtype`, never negative."""
        outputs: Tensor = torch.ops.mkldnn._convolution_pointwise(
            values.to(self.dtype), self.weight, self.bias, *self.arguments
        )
        return outputs
