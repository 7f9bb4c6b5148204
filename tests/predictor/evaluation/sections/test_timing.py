"""Times of routers, by a clock that the test sets."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections import timing
from predictor.evaluation.sections.timing import BATCH, ROUNDS, time_in_turn


def test_the_least_time_of_each_counts_and_halves_tell_the_noise(monkeypatch):
    data = TrainData(
        sample_ids=np.array(["a"]),
        image_ids=np.array(["a"]),
        groups=np.array(["a"]),
        coarse=np.zeros((1, 10, 4)),
        question=np.zeros((1, 4)),
        scores=np.ones((1, 2)),
        tokens=np.array([[1.0, 9.0]]),
        scales=(1, 9),
    )
    order = []

    def make_bundle(name):
        features = SimpleNamespace(transform=lambda *parts: order.append(name) or parts[0])
        return SimpleNamespace(
            features=features, router=SimpleNamespace(predict_proba=lambda rows: len(rows))
        )

    # Seconds that the calls take in turn: the second router is slow in every other round.
    takes = itertools.cycle([0.064, 0.192, 0.064, 0.128])
    clock = itertools.accumulate(
        itertools.chain.from_iterable((0.0, next(takes)) for _ in range(2 * ROUNDS))
    )
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    times = time_in_turn([make_bundle("first"), make_bundle("second")], data)
    assert times.least == pytest.approx([64 / BATCH, 128 / BATCH])
    assert times.noise == pytest.approx(64 / BATCH)
    assert order == ["first", "second"] * ROUNDS
