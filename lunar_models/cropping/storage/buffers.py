"""Reuse one buffer per thread.

The system hands out fresh memory page by page and clears it first, which on a virtual machine
takes ten times as long as filling it with crops.
"""

import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt


class ThreadBuffer(threading.local):
    """One array per thread; a thread's former one is overwritten by its next."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def array(self, *shape: int) -> npt.NDArray[np.uint8]:
        """Return an uninitialised C-contiguous uint8 array."""
        size = math.prod(shape)
        if size > self._bytes.size:
            self._bytes = np.empty(size, np.uint8)
        result: npt.NDArray[Any] = self._bytes[:size].reshape(shape)
        return result
