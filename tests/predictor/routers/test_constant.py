import numpy as np
import pytest

from predictor.routers.constant import ConstantRouter


def test_it_gives_the_weighted_means():
    correct = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    router = ConstantRouter((1, 9)).fit(np.zeros((3, 2)), correct, weights=np.array([2, 1, 1]))
    # (2 x 0 + 1 + 1) / 4 and (2 x 1 + 1 + 0) / 4
    assert router.predict_proba(np.ones((2, 2))).tolist() == [[0.5, 0.75]] * 2


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match="not a constant router: File is not a zip"):
        ConstantRouter.from_files({}, (1, 9))
