"""Select the compute precision (fp32, bf16) for a device."""

import torch

from lunar_models.config.train import Precision
from lunar_models.errors import ConfigError


def has_bf16(device: torch.device) -> bool:
    """Tell whether a device computes bfloat16 natively, and so faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype that `precision` selects on `device`."""
    wanted = precision == "bf16" or (precision == "auto" and has_bf16(device))
    return torch.bfloat16 if wanted else torch.float32


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Make a reusable autocast context for a precision.

    Raises:
        ConfigError: bf16 is asked for on a device that cannot do it.
    """
    if precision == "bf16" and device.type == "mps":
        raise ConfigError("precision=bf16 is not supported on device=mps; use precision=fp32.")
    reduced = compute_dtype(precision, device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def pick_device(device: str = "auto") -> torch.device:
    """Select the device to compute on; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: the device asked for is not on this machine.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    if (device == "cuda" and not cuda) or (device == "mps" and not mps):
        raise ConfigError(f"device={device} is not available on this machine; use device=auto.")
    return torch.device(device)
