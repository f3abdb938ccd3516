"""A copy of an encoder that only embeds, and does it faster."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lunar_models.encoders.base import Encoder


def inference_copy(encoder: Encoder) -> Encoder:
    """Equal embeddings up to rounding, in less time; not to be trained or saved.

    Batch normalisations are folded into the convolutions before them, and weights lie with their
    channels last.
    """
    copy = deepcopy(encoder).eval()
    for sequence in [module for module in copy.modules() if isinstance(module, nn.Sequential)]:
        for number, (convolution, norm) in enumerate(pairwise(list(sequence))):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[number] = fuse_conv_bn_eval(convolution, norm)
                sequence[number + 1] = nn.Identity()
    return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
