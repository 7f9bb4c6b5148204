import numpy as np
import pytest

from predictor.routers.neighbours import NeighbourRouter, NeighbourSettings

ROWS = np.array([[0.0, 1.0], [0.0, -1.0], [10.0, 1.0], [10.0, -1.0]])
CORRECT = np.array([[0.0], [0.0], [1.0], [1.0]])


def one(count=1, prior=0.0, **more):
    return NeighbourRouter((9,), NeighbourSettings(count, prior=prior, **more))


def test_neighbours_are_averaged():
    router = one(2).fit(ROWS, CORRECT)
    assert router.predict_proba(np.array([[1.0, 0.0], [9.0, 0.0]])).ravel().tolist() == [0, 1]
    # Three of the four rows: two right of the near side, one wrong of the other, or so.
    probabilities = one(3).fit(ROWS, CORRECT).predict_proba(np.array([[9.0, 0.5]]))
    assert probabilities[0, 0] == pytest.approx(2 / 3)


def test_the_prior_pulls_towards_the_overall_mean():
    # Two neighbours are wrong, and one more row of the mean 1/2: (0 + 0 + 1/2) / 3.
    probabilities = one(2, prior=1.0).fit(ROWS, CORRECT).predict_proba(np.array([[0.0, 0.0]]))
    assert probabilities[0, 0] == pytest.approx(1 / 6)


def test_rows_of_weight_zero_are_forgotten():
    router = one(2).fit(ROWS, CORRECT, weights=np.array([1.0, 1.0, 0.0, 1.0]))
    assert len(router.arrays_["rows"]) == 3


def test_the_cosine_looks_at_directions_only():
    rows = np.array([[1.0, 0.1], [100.0, 0.0], [0.1, 1.0], [-100.0, 3.0]])
    router = one(1, metric="cosine").fit(rows - rows.mean(axis=0), CORRECT)
    assert router.arrays_["metric"] == 1
    assert router.predict_proba(rows[1:2] - rows.mean(axis=0))[0, 0] == 0


def test_a_large_split_is_thinned():
    router = one(1, most_rows=3).fit(ROWS, CORRECT)
    assert len(router.arrays_["rows"]) == 3


def test_a_missing_score_is_no_neighbour():
    correct = np.array([[0.0, 0.0], [0.0, np.nan], [1.0, np.nan], [1.0, 1.0]])
    router = NeighbourRouter((9, 36), NeighbourSettings(2, prior=0.0)).fit(ROWS, correct)
    probabilities = router.predict_proba(np.array([[0.0, 0.0], [10.0, 0.0]]))
    assert probabilities.tolist() == [[0, 0], [1, 1]]


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="metric must be one of .* got 'taxi'"):
        NeighbourSettings(metric="taxi")


def test_nan_is_refused():
    with pytest.raises(ValueError, match="takes no NaN"):
        one().fit(np.full((4, 2), np.nan), CORRECT)
