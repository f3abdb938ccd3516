"""Draw random views of crops that change everything but the degradation of the crater.

The augmentations of self-supervised encoders: up-down flip, ±15° of rotation, a shifted centre,
±10 % of scale, blur. No contrast jitter, because contrast is the signal; no free rotation, no
left-right flip, because the Sun stands in the east.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from lunar_models.encoders.overlap import send
from lunar_models.joint_batch import draw

ROTATION_DEG = 15.0
SCALE = 0.1
SHIFT_DIAMETERS = 0.05
BLUR_PX = 1.2
_KERNEL_RADIUS = 3


@torch.no_grad()
def lunar_view(
    crops: Tensor,
    generator: torch.Generator | None = None,
    *,
    context_diameters: float,
    rotation_deg: float = ROTATION_DEG,
    blurs: bool = True,
) -> Tensor:
    """Draw a random view of each crop.

    Args:
        crops: (B, 1, S, S) float32.
        generator: where all randomness comes from; of the CPU or of the crops' device.
        context_diameters: side of a crop in crater diameters.
        rotation_deg: greatest rotation.
        blurs: whether half of the views are blurred.

    Returns:
        (B, 1, S, S) float32.
    """
    with torch.autocast(crops.device.type, enabled=False):
        transforms = _transforms(
            len(crops), generator, 2 * SHIFT_DIAMETERS / context_diameters, rotation_deg
        )
        grid = functional.affine_grid(
            send(transforms, crops.device), list(crops.shape), align_corners=False
        )
        moved = functional.grid_sample(
            crops.float(), grid, padding_mode="reflection", align_corners=False
        )
        return _blur_half(moved, generator) if blurs else moved


def _transforms(
    count: int, generator: torch.Generator | None, shift: float, rotation_deg: float
) -> Tensor:
    """(B, 2, 3) affine transforms in the coordinates of `affine_grid`."""

    def uniform(limit: float) -> Tensor:
        return (2 * draw(torch.rand, count, generator=generator) - 1) * limit

    angle, scale = uniform(math.radians(rotation_deg)), 1 + uniform(SCALE)
    flip = torch.where(draw(torch.rand, count, generator=generator) < 0.5, -1.0, 1.0)
    x, y = (
        (draw(torch.randn, count, generator=generator) * shift).clamp(-2 * shift, 2 * shift)
        for _ in range(2)
    )
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [torch.stack([cosine, -sine * flip, x], 1), torch.stack([sine, cosine * flip, y], 1)]
    return torch.stack(rows, 1)


def _blur_half(crops: Tensor, generator: torch.Generator | None) -> Tensor:
    """Blur a random half of the crops, all by the same random sigma."""
    device = None if generator is None else generator.device
    sigma = torch.rand(1, generator=generator, device=device) * BLUR_PX + 1e-3
    offsets = torch.arange(-_KERNEL_RADIUS, _KERNEL_RADIUS + 1, device=device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = send(kernel / kernel.sum(), crops.device)
    chosen = draw(torch.rand, len(crops), generator=generator) < 0.5
    padded = functional.pad(crops, [_KERNEL_RADIUS] * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    blurred = functional.conv2d(rows, kernel.view(1, 1, -1, 1))
    return torch.where(send(chosen, crops.device)[:, None, None, None], blurred, crops)
