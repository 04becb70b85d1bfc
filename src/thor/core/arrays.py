"""Types of NumPy arrays in signatures; the docstrings give shapes and units."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""Fields and tables of numbers in double precision."""

IntArray = NDArray[np.int64]
"""Indices and counts."""

Mask = NDArray[np.bool_]
"""Whether something holds, for each cell or other item."""

AnyArray = NDArray[Any]
"""Arrays of any element type."""
