"""Compile inner loops with Numba, without the GIL and with a cache on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

_KERNELS = (
    "mosaic/brightness",
    "mosaic/projection",
    "mosaic/strips",
    "crops/resampling",
    "cropping/kernels/windows",
    "cropping/kernels/exact",
    "cropping/kernels/measures",
    "cropping/kernels/separable",
)
"""Modules whose compiled functions call one another."""


def compiled(*, fast: bool = False, inline: bool = False) -> Callable[[Function], Function]:
    """Compile a function of plain numbers, arrays and named tuples of them.

    Args:
        fast: let the compiler reorder sums and assume finite numbers, so that it can vectorise.
        inline: put the function's body into its callers.
    """
    decorator: Callable[[Function], Function] = njit(
        nogil=True,
        cache=True,
        fastmath=fast,
        inline="always" if inline else "never",
        # A process that compiles would call the function as it was compiled by itself, one that
        # finds it cached the function as it was compiled into its caller: sums may differ there.
        forceinline=fast and not inline,
    )
    return decorator


def _drop_stale_cache() -> None:
    """Delete cached kernels older than any kernel module.

    Numba renews a cached function only when its own file changes, not when one that it calls does.
    """
    folder = Path(__file__).parent
    newest = max((folder / f"{name}.py").stat().st_mtime for name in _KERNELS)
    for name in _KERNELS:
        module = folder / name
        for index in (module.parent / "__pycache__").glob(f"{module.name}.*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)


_drop_stale_cache()
