from dataclasses import dataclass, replace

import numpy as np
import pytest

from predictor import rows
from predictor.data import TrainData
from predictor.features.outliers import DensityGate, DensitySettings
from predictor.training.train import TrainSettings, fit_features


@dataclass
class Lying:
    """Rows that count how many of them were read."""

    values: np.ndarray
    finite: bool = True
    read: int = 0

    @property
    def shape(self):
        return self.values.shape

    def __len__(self):
        return len(self.values)

    def __getitem__(self, numbers):
        found = self.values[numbers]
        self.read += len(found)
        return found

    def pick(self, numbers):
        return Lying(self.values[numbers], self.finite)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    n = 240
    return TrainData(
        sample_ids=np.array([f"q{k}" for k in range(n)]),
        image_ids=np.array([f"i{k // 3}" for k in range(n)]),
        groups=np.full(n, "g"),
        coarse=np.repeat(rng.normal(size=(n // 3, 10, 6)).astype(np.float32), 3, axis=0),
        question=rng.normal(size=(n, 6)).astype(np.float32),
        scores=rng.integers(0, 2, size=(n, 2)).astype(float),
        tokens=np.tile([1.0, 9.0], (n, 1)),
        scales=(1, 9),
    )


@pytest.fixture
def lying(data):
    return replace(data, coarse=Lying(data.coarse), question=Lying(data.question))


def fit(data):
    features, table = fit_features(data, TrainSettings())
    gate = DensityGate.fit(data, data, DensitySettings())
    asked = (data.coarse, data.question)
    return table, features.transform(*asked), gate.share_beyond(*asked)


def test_rows_that_lie_elsewhere_give_the_same_numbers(data, lying):
    for one, other in zip(fit(lying), fit(data), strict=True):
        np.testing.assert_array_equal(one, other)


def test_blocks_change_only_the_rounding(data, lying, monkeypatch):
    whole = fit(data)
    monkeypatch.setattr(rows, "BLOCK", 70 * 50)
    table, transformed, shares = fit(lying)
    # A principal direction is as good backwards.
    for one, other in zip((table, transformed), whole[:2], strict=True):
        np.testing.assert_allclose(np.abs(one), np.abs(other), rtol=1e-3, atol=1e-3)
    # Ranks of rows that are equally far out jump by those of one image, and count three times.
    np.testing.assert_allclose(shares, whole[2], atol=3 * 3 / len(data) + 1e-6)


def test_taking_a_part_reads_nothing(lying):
    some = lying.take(np.array([5, 2]))
    assert some.coarse.shape == (2, 10, 6)
    assert lying.coarse.read == some.coarse.read == 0
    np.testing.assert_array_equal(some.question[:], lying.question.values[[5, 2]])


def test_rows_that_are_not_finite_are_refused(data):
    with pytest.raises(ValueError, match="question holds NaN or infinite numbers"):
        replace(data, question=Lying(data.question, finite=False))


def test_chosen_rows_are_read_in_the_order_of_the_disk(monkeypatch):
    chosen = np.array([4, 0, 2])
    assert [cut.tolist() for cut in rows.cut_chosen(chosen, 10)] == [[4, 0, 2]]
    monkeypatch.setattr(rows, "BLOCK", 20)
    assert [cut.tolist() for cut in rows.cut_chosen(chosen, 10)] == [[0, 2], [4]]
