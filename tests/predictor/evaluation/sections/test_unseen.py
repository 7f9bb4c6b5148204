from types import SimpleNamespace

import numpy as np

from predictor.data import TrainData
from predictor.evaluation.sections.unseen import report_fallback
from predictor.policy.prices import Price


class Gate:
    def find_outside(self, coarse, question, outlier):
        return np.array([True, False])


def test_fallback_by_hand():
    data = TrainData(
        sample_ids=np.array(["a", "b"]),
        image_ids=np.array(["a", "b"]),
        groups=np.array(["g", "g"]),
        coarse=np.zeros((2, 2, 1)),
        question=np.zeros((2, 1)),
        scores=np.array([[0.0, 1.0], [1.0, 1.0]]),
        tokens=np.array([[1.0, 9.0], [1.0, 9.0]]),
        scales=(1, 9),
    )
    bundle = SimpleNamespace(
        gate=Gate(),
        predict_proba=lambda *_: np.full((2, 2), 0.5),
        price=lambda budget: Price(0.1),
    )
    actual = report_fallback(bundle, data, 1.0)
    assert actual["without"] == {"tokens": 1, "accuracy": 0.5, "regression_rate": 0.5}
    assert actual["with"] == {"tokens": 5, "accuracy": 1, "regression_rate": 0}
    assert (actual["outlier"], actual["share"]) == (0.01, 0.5)
    bundle.gate = None
    assert report_fallback(bundle, data, 1.0) == {}
