"""How far up the ladder of scales spending is shown to pay.

A budget is a ceiling, not a target: on a ladder where larger scales answer no more, a router that
believes in small differences would spend it all on them. So a scale may be bought only if the
calibration split shows that the router, allowed to take it, answers more.
"""

import numpy as np

from predictor.data import FloatArray, NameArray
from predictor.policy.budgets import choose

LEAVE, CLIMB = 3.0, 2.0
"""Gain, in standard errors, that shows that it pays to leave the cheapest scale, and to climb on.

Luck alone leaves the cheapest scale on one flat ladder of a hundred. Where spending pays at all,
more of it probably does, and less has to be shown.
"""


def count_paying(
    probabilities: FloatArray, costs: FloatArray, scores: FloatArray, image_ids: NameArray
) -> int:
    """Count the scales, from the cheapest, up to the last that is shown to pay.

    Starting from the cheapest scale, the next one that pays is the first with which routing at no
    price answers more than with those so far; scales between the two may be taken as well.

    Args:
        probabilities: P(correct) on the calibration split [n, s].
        costs: cost of every scale [n, s].
        scores: what each scale achieved [n, s].
        image_ids: image of each question [n].

    Returns:
        A number from 1 to s.
    """
    owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)[1]
    rows = np.arange(len(scores))
    # Score of each image, routed among the first scales, one more in each row [s, i].
    totals = np.array(
        [
            np.bincount(owner, scores[rows, choose(probabilities[:, :k], costs[:, :k], 0.0)])
            for k in range(1, scores.shape[1] + 1)
        ]
    )
    # So few images could not show any gain, however large: the router is believed.
    if totals.shape[1] < LEAVE**2:
        return len(totals)
    last = 0
    for scale in range(1, len(totals)):
        gained = totals[scale] - totals[last]
        needed = CLIMB if last else LEAVE
        # Divided by itself, so that a few lucky images show nothing.
        if gained.sum() >= needed * np.sqrt((gained**2).sum()) > 0:
            last = scale
    return last + 1
