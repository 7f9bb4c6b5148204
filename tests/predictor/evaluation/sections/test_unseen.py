"""Two and three questions, with and without the fallback, worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections.unseen import report_certified, report_fallback
from predictor.features.outliers import OUTLIER
from predictor.policy.candidates import Candidates
from predictor.policy.certificates import Certificate
from predictor.policy.claims import ALL, Claim
from predictor.policy.prices import Price


class Gate:
    """Finds the first question alone unfamiliar."""

    def find_outside(self, coarse, question, outlier):
        return np.arange(len(question)) == 0


def make_data(scores):
    names = np.arange(len(scores)).astype(str)
    return TrainData(
        sample_ids=names,
        image_ids=names,
        groups=np.full(len(scores), "g"),
        coarse=np.zeros((len(scores), 2, 1)),
        question=np.zeros((len(scores), 1)),
        scores=np.array(scores, float),
        tokens=np.tile([1.0, 9.0], (len(scores), 1)),
        scales=(1, 9),
    )


def test_fallback_by_hand():
    data = make_data([[0, 1], [1, 1]])
    bundle = SimpleNamespace(
        gate=Gate(),
        predict_proba=lambda *_: np.full((2, 2), 0.5),
        price=lambda budget: Price(0.1),
    )
    actual = report_fallback(bundle, data, 1.0)
    assert actual["without"] == {"tokens": 1, "accuracy": 0.5, "regression_rate": 0.5}
    assert actual["with"] == {"tokens": 5, "accuracy": 1, "regression_rate": 0}
    # As `ask` and `serve` have it by default.
    assert (actual["outlier"], actual["share"]) == (OUTLIER, 0.5)
    bundle.gate = None
    assert report_fallback(bundle, data, 1.0) == {}


@pytest.mark.parametrize(
    ("loss", "without", "safe"),
    [("net", 0, -1 / 3), ("regression", 1 / 3, 0), ("given-right", 0.5, 0)],
)
def test_the_loss_shown_is_the_one_that_is_certified(loss, without, safe):
    """Always the cheapest scale loses the first question, wins the second and keeps the third."""
    claim = Claim(loss, 0.4, 0.1)
    bundle = SimpleNamespace(
        gate=Gate(),
        predict_raw=lambda *_: np.full((3, 2), 0.5),
        candidates=Candidates((0.1,), "split", {ALL: 1}),
        certificates=[Certificate(claim, 0.1, 3, 3, "split", "candidates", 1, (0.01,), 0.0, 1.0)],
    )
    data = make_data([[0, 1], [1, 0], [1, 1]])
    section = report_certified(bundle, data, data, None)
    level = section[str(claim)]
    assert (level["alpha"], set(level)) == (0.4, {"alpha", "delta", "sentence", "test"})
    assert level["test"]["without"]["loss"] == pytest.approx(without)
    assert level["test"]["with"]["loss"] == pytest.approx(safe)
    assert level["test"]["without"]["regression_rate"] == pytest.approx(1 / 3)
    bundle.gate = None
    assert report_certified(bundle, data, data, None) == {}
