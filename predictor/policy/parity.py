"""The cheapest operating point that is shown to be as good as always the largest scale.

Shown means that an upper confidence bound of the accuracy lost is below a tolerance. Points are
tried from the dearest down until one is not shown to be, so that trying many costs no confidence.
The bound is that of the normal distribution over images, with one more question lost than was seen,
on an image of its own: without it, a few images on which nothing happened would show anything. It
is not a certificate, which holds for any distribution and asks for more images.
"""

from dataclasses import dataclass

import numpy as np

from predictor.data import FloatArray, IntArray, NameArray
from predictor.policy.budgets import choose, lambda_path
from predictor.routing_metrics.verdict import FEWEST

QUANTILE = 1.645
"""Of the normal distribution, for 95 % confidence in one direction."""

POINTS = 200


@dataclass(frozen=True)
class ParityPoint:
    """An operating point.

    Attributes:
        lam: price of a unit of cost.
        cost: mean cost on the calibration split.
        bound: upper bound of the accuracy lost [share of questions].
        established: whether the bound is below the tolerance; if not, this is the dearest point.
    """

    lam: float
    cost: float
    bound: float
    established: bool


def bound_loss(lost: FloatArray, owner: IntArray) -> float:
    """Bound the mean loss of questions from above, images being what was drawn at random.

    Args:
        lost: loss of each question, in [-1, 1] [n].
        owner: number of each question's image, counted from 0 [n].

    Returns:
        The bound, at 95 % confidence.
    """
    # Loss and questions of each image, and of the one that is added [i + 1].
    losses = np.append(np.bincount(owner, lost), 1.0)
    sizes = np.append(np.bincount(owner), 1)
    mean = losses.sum() / sizes.sum()
    beyond = losses - mean * sizes
    error = np.sqrt((beyond**2).sum() * len(sizes) / (len(sizes) - 1)) / sizes.sum()
    return float(mean + QUANTILE * error)


def find_parity(
    probabilities: FloatArray,
    costs: FloatArray,
    scores: FloatArray,
    image_ids: NameArray,
    tolerance: float,
    paying: int | None = None,
) -> ParityPoint:
    """Find the point on a calibration split.

    Args:
        probabilities: P(correct) [n, s].
        costs: cost of every scale [n, s].
        scores: what each scale achieved [n, s].
        image_ids: image of each question [n].
        tolerance: loss of accuracy that still counts as none [share of questions].
        paying: scales, from the cheapest, that may be taken, see `support.py`; None for all.
    """
    believed, priced = probabilities[:, :paying], costs[:, :paying]
    rows = np.arange(len(scores))
    # Once: to sort the names takes longer than all that is done for a point.
    images, owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    enough = len(images) >= FEWEST

    def measure(lam: float) -> ParityPoint:
        chosen = choose(believed, priced, lam)
        bound = bound_loss(scores[:, -1] - scores[rows, chosen], owner)
        cost = float(priced[rows, chosen].mean())
        return ParityPoint(lam, cost, bound, enough and bound < tolerance)

    # Lambda 0, the dearest, comes first.
    rising = lambda_path(believed, priced, POINTS)[::-1].tolist()
    found = measure(rising[0])
    for point in map(measure, rising[1:]):
        if not (found.established and point.established):
            break
        found = point
    return found
