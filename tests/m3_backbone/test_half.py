import numpy as np
import pytest

from m3_backbone.half import to_half


def test_to_half_clips_and_refuses_nan():
    halves = to_half(np.array([1.5, 1e6, -np.inf], dtype=np.float32), "features")
    assert halves.tolist() == [1.5, 65504.0, -65504.0]
    with pytest.raises(ValueError, match="features contain NaN"):
        to_half(np.array([np.nan], dtype=np.float32), "features")
