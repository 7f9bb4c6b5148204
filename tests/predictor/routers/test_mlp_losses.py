import numpy as np
import pytest
import torch

from predictor.routers.mlp_losses import cross_entropy, ranking, weighted_choice

ALL = torch.ones((1, 3), dtype=torch.bool)
COSTS = torch.tensor([0.0, 0.05, 0.1], dtype=torch.float64)
LOSSES = {
    "cross_entropy": cross_entropy,
    "ranking": lambda z, y, known: ranking(z, y, known, margin=1.0, choice_weight=0.1),
    "choice": lambda z, y, known: weighted_choice(z, y, known, COSTS),
}


def rows(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


@pytest.mark.parametrize("name", LOSSES)
def test_slopes_are_those_of_the_loss(name):
    rng = np.random.default_rng(0)
    logits, scores = rng.normal(size=(6, 3)), rng.integers(0, 2, (6, 3)).astype(float)
    known = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 1]], bool)
    scores, known = torch.from_numpy(scores), torch.from_numpy(known)
    free = torch.tensor(logits, requires_grad=True)
    LOSSES[name](free, scores, known).sum().backward()
    assert not free.grad[~known].any()
    for column in range(3):
        nudge = 1e-6 * np.eye(3)[column]
        above, below = (
            LOSSES[name](torch.from_numpy(logits + sign * nudge), scores, known) for sign in (1, -1)
        )
        np.testing.assert_allclose((above - below) / 2e-6, free.grad[:, column], atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_networks_side_by_side_and_rows_without_a_score(name):
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 4, 3)))
    scores = torch.ones((2, 4, 3), dtype=torch.float64)
    known = torch.ones((2, 4, 3), dtype=torch.bool)
    scores[..., 0], known[:, 3] = 0.0, False
    actual = LOSSES[name](logits, scores, known)
    each = [LOSSES[name](*one) for one in zip(logits, scores, known, strict=True)]
    assert actual.shape == (2, 4) and actual.isfinite().all()
    assert torch.equal(actual, torch.stack(each))


def test_cross_entropy_by_hand():
    logits = torch.zeros((1, 1), dtype=torch.float64, requires_grad=True)
    loss = cross_entropy(logits, rows([1.0]), ALL[:, :1])
    loss.sum().backward()
    assert loss[0].item() == pytest.approx(np.log(2)) and logits.grad[0, 0] == -0.5


def test_ranking_by_hand():
    # Ranks: the second scale (right), then the first and third (wrong). All logits are equal, so
    # the margins are missed in full: 1 x 1 to the first, 2 x 1 to the third.
    scores = rows([0.0, 1.0, 0.0])
    loss = ranking(rows([0.0, 0.0, 0.0]), scores, ALL, 1.0, 0.1)
    assert loss[0].item() == pytest.approx(1 + 2 + 0.1 * np.log(3))
    # Equals do not count, and a kept margin costs nothing.
    loss = ranking(rows([0.0, 9.0, 0.0]), scores, ALL, 1.0, 0.0)
    assert loss[0] == 0
    # Without the third scale only the first is short, and the choice is between two.
    known = torch.tensor([[True, True, False]])
    loss = ranking(rows([0.0, 0.0, 0.0]), scores, known, 1.0, 0.1)
    assert loss[0].item() == pytest.approx(1 + 0.1 * np.log(2))


def test_choice_by_hand():
    # Utilities 0 and 0.9: the second is best and 0.9 is at stake.
    loss = weighted_choice(rows([0.0, 0.0]), rows([0.0, 1.0]), ALL[:, :2], COSTS[[0, 2]])
    assert loss[0].item() == pytest.approx(0.9 * np.log(2))
