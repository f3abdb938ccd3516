"""Make a copy of an encoder for inference only, which embeds faster."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lunar_models.encoders.base import Encoder
from lunar_models.encoders.precision import has_bf16


def inference_copy(encoder: Encoder, dtype: torch.dtype = torch.float32) -> Encoder:
    """Copy an encoder for faster inference, with equal embeddings up to rounding.

    Batch normalisations are folded into the convolutions before them, and weights lie with their
    channels last. On the CPU linear layers get their weights in `dtype` and in oneDNN's own order
    once instead of in each pass; elsewhere they share theirs with `encoder`.

    Args:
        encoder: on the device where it will embed; what is such a copy is returned as it is.
        dtype: what linear layers compute in on the CPU; all else is left to autocast.
    """
    if any(isinstance(module, _Linear) for module in encoder.modules()):
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
            child = _fused(child)
            setattr(module, name, child)
        _replace_layers(child, dtype)


def _fused(layers: nn.Sequential) -> nn.Sequential:
    """One layer for a convolution and the batch normalisation after it."""
    fused: list[nn.Module] = []
    for layer in layers:
        before = fused[-1] if fused else None
        if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
            fused[-1] = fuse_conv_bn_eval(before, layer)
        else:
            fused.append(layer)
    return nn.Sequential(*fused)


class _Linear(nn.Module):
    """A linear layer with packed weights.

    PyTorch has no public operator for it. A vision transformer embeds in 0.8 of the time that the
    public one takes, and in half of ONNX Runtime's (`benchmarks.runtimes`); for convolutions the
    public operators are faster.
    """

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
