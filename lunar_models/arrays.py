"""Define the array types used in annotations."""

from typing import Any

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.floating[Any]]
"""Any floating dtype: functions that take it compute in float64 or say in what."""

IntArray = npt.NDArray[np.integer[Any]]
