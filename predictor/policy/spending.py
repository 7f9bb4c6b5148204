"""Spends a budget exactly, so that routers are compared at one cost.

A coin decides between two neighbouring behaviours of a router on the split itself, whose costs say
which and how often; no outcome does. It is for comparing: whoever routes has a lambda that another
split solved.
"""

from collections.abc import Sequence

import numpy as np

from predictor.data import FloatArray
from predictor.policy.budgets import choose, operating_points
from predictor.routing_metrics.mixing import Mixture


def spend(
    probabilities: FloatArray,
    costs: FloatArray,
    budgets: Sequence[float],
    paying: int | None = None,
) -> Mixture:
    """Choose scales at mean costs that are just the budgets.

    Args:
        probabilities: P(correct) [n, s].
        costs: cost of every scale [n, s].
        budgets: mean costs, in the unit of `costs` [q].
        paying: scales, from the cheapest, that may be taken, see `support.py`; None for all.

    Returns:
        The choices, a column for each budget. Of a budget beyond what the router's dearest
        behaviour costs a part is left over.
    """
    believed, priced = probabilities[:, :paying], np.asarray(costs, np.float64)[:, :paying]
    lambdas, spent = operating_points(believed, priced)
    # The last behaviour within each budget, and the next one, if there are any.
    below = np.clip(np.searchsorted(spent, budgets, "right") - 1, 0, len(spent) - 1)
    above = np.minimum(below + 1, len(spent) - 1)
    first, second = (
        np.column_stack([choose(believed, priced, float(lambdas[k])) for k in at])
        for at in (below, above)
    )
    low, high = (
        np.take_along_axis(priced, chosen, axis=1).mean(axis=0) for chosen in (first, second)
    )
    step = high - low
    share = np.where(step > 0, (np.array(budgets) - low) / np.where(step > 0, step, 1.0), 0.0)
    return Mixture(first, second, share.clip(0.0, 1.0))
