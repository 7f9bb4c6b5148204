import numpy as np
import pytest

from predictor.routers.mlp_losses import cross_entropy, ranking, softmax, weighted_choice

ALL = np.ones((1, 3), bool)
LOSSES = {
    "cross_entropy": cross_entropy,
    "ranking": lambda z, y, known: ranking(z, y, known, margin=1.0, choice_weight=0.1),
    "choice": lambda z, y, known: weighted_choice(z, y, known, np.array([0.0, 0.05, 0.1])),
}


@pytest.mark.parametrize("name", LOSSES)
def test_slopes_are_those_of_the_loss(name):
    rng = np.random.default_rng(0)
    logits, scores = rng.normal(size=(6, 3)), rng.integers(0, 2, (6, 3)).astype(float)
    known = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 1]], bool)
    _, slope = LOSSES[name](logits, scores, known)
    assert not slope[~known].any()
    for column in range(3):
        nudge = 1e-6 * np.eye(3)[column]
        above, below = (LOSSES[name](logits + sign * nudge, scores, known)[0] for sign in (1, -1))
        np.testing.assert_allclose((above - below) / 2e-6, slope[:, column], atol=1e-6)


def test_softmax_by_hand():
    assert softmax(np.log([[1.0, 3.0]])) == pytest.approx(np.array([[0.25, 0.75]]))


def test_cross_entropy_by_hand():
    loss, slope = cross_entropy(np.array([[0.0]]), np.array([[1.0]]), ALL[:, :1])
    assert loss[0] == pytest.approx(np.log(2)) and slope[0, 0] == -0.5


def test_ranking_by_hand():
    # Ranks: the second scale (right), then the first and third (wrong). All logits are equal, so
    # the margins are missed in full: 1 x 1 to the first, 2 x 1 to the third.
    loss, _ = ranking(np.zeros((1, 3)), np.array([[0.0, 1.0, 0.0]]), ALL, 1.0, 0.1)
    assert loss[0] == pytest.approx(1 + 2 + 0.1 * np.log(3))
    # Equals do not count, and a kept margin costs nothing.
    loss, _ = ranking(np.array([[0.0, 9.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]), ALL, 1.0, 0.0)
    assert loss[0] == 0
    # Without the third scale only the first is short, and the choice is between two.
    loss, _ = ranking(np.zeros((1, 3)), np.array([[0.0, 1.0, 0.0]]), ALL & [1, 1, 0] > 0, 1.0, 0.1)
    assert loss[0] == pytest.approx(1 + 0.1 * np.log(2))


def test_choice_by_hand():
    # Utilities 0 and 0.9: the second is best and 0.9 is at stake.
    loss, _ = weighted_choice(
        np.zeros((1, 2)), np.array([[0.0, 1.0]]), ALL[:, :2], np.array([0.0, 0.1])
    )
    assert loss[0] == pytest.approx(0.9 * np.log(2))
