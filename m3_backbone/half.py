"""Half precision, in which the features of a router are stored and therefore also routed.

Not the precision that the model computes in.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_HALF = float(np.finfo(np.float16).max)


def to_half(values: NDArray[np.floating[Any]], what: str) -> NDArray[np.float16]:
    """Halve the size of features; values beyond the format's range are clipped to it.

    Args:
        values: any shape.
        what: what to call them in an error.

    Returns:
        The values as float16, same shape.

    Raises:
        ValueError: if a value is not a number.
    """
    if np.isnan(values).any():
        raise ValueError(f"{what} contain NaN: the model or its number format is broken")
    # Clipped first: a plain cast would turn large values into infinity.
    return np.asarray(np.clip(values, -LARGEST_HALF, LARGEST_HALF), np.float16)
