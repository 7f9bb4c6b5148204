import tracemalloc

import numpy as np
import pytest

from predictor.routers.linear import LinearRouter, LinearSettings, OrdinalRouter

SCALES = (1, 9, 36)


def make_rows(n, seed):
    """Make one need a question, linear in the features; what a scale gets right larger ones do."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6))
    need = x[:, :2].sum(axis=1) + rng.logistic(size=n)
    return x, (need[:, None] < np.array([-1.0, 0.5, 2.0])).astype(float)


def test_it_finds_slopes_and_thresholds():
    x, y = make_rows(4000, 0)
    learnt = OrdinalRouter(SCALES).fit(x, y).arrays_["coefficients"]
    assert learnt[:, :2] == pytest.approx(np.full((3, 2), -1.0), abs=0.12)
    assert learnt[:, 2:6] == pytest.approx(np.zeros((3, 4)), abs=0.1)
    assert learnt[:, 6] == pytest.approx([-1.0, 0.5, 2.0], abs=0.15)


def test_it_needs_fewer_rows_than_a_line_for_each_scale():
    x, y = make_rows(60, 1)
    fresh, outcome = make_rows(2000, 2)
    error = [
        ((kind(SCALES).fit(x, y).predict_proba(fresh) - outcome) ** 2).mean()
        for kind in (OrdinalRouter, LinearRouter)
    ]
    assert error[0] < error[1]


def test_probabilities_never_fall_with_the_scale():
    x, y = make_rows(200, 3)
    probabilities = OrdinalRouter(SCALES).fit(x, y[:, ::-1]).predict_proba(x)
    assert (np.diff(probabilities, axis=1) >= -1e-12).all()


def test_of_many_rows_some_are_drawn():
    """Each comes once per scale, so all of them would take many times their own memory."""
    x, y = make_rows(40_000, 4)
    LinearRouter(SCALES).fit(x[:100], y[:100])  # for its imports
    tracemalloc.start()
    drawn = OrdinalRouter(SCALES, LinearSettings(ordinal_rows=4000)).fit(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * x.nbytes
    learnt = drawn.arrays_["coefficients"]
    assert learnt[:, :2] == pytest.approx(np.full((3, 2), -1.0), abs=0.12)
    again = OrdinalRouter(SCALES, LinearSettings(ordinal_rows=4000)).fit(x, y)
    assert np.array_equal(again.arrays_["coefficients"], learnt)
    other = OrdinalRouter(SCALES, LinearSettings(ordinal_rows=4000, seed=1)).fit(x, y)
    assert not np.array_equal(other.arrays_["coefficients"], learnt)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="takes no NaN"):
        OrdinalRouter(SCALES).fit(np.full((2, 1), np.nan), np.ones((2, 3)))
