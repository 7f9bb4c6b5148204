"""The budgets that reports, tables and tuning look at, whatever the ladder of scales."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

BUDGET_SHARES = (1 / 16, 1 / 8, 1 / 4)
"""Budgets that are looked at, as shares of what the largest scale costs."""


def share_budgets(cheapest: float, largest: float) -> tuple[float, ...]:
    """Give the budgets that suit a ladder of scales.

    Where the least of them would buy nothing but the cheapest scale, they are shares of the way
    from there to the largest.

    Args:
        cheapest: mean cost of the cheapest scale.
        largest: mean cost of the largest scale.

    Returns:
        A budget for each of `BUDGET_SHARES`, rounded up to a tenth; just one where there is one
        scale.

    >>> share_budgets(1, 576), share_budgets(144, 576)
    ((36.0, 72.0, 144.0), (171.0, 198.0, 252.0))
    """
    floor = 0.0 if min(BUDGET_SHARES) * largest > cheapest else cheapest
    budgets = (floor + share * (largest - floor) for share in BUDGET_SHARES)
    # Up, since a budget below the cheapest cost buys nothing; the slack forgives rounding.
    return tuple(dict.fromkeys(math.ceil(10 * budget - 1e-9) / 10 for budget in budgets))


def read_budgets(
    meta: Mapping[str, Any], costs: Sequence[float], scales: Sequence[int]
) -> tuple[float, ...]:
    """Give the budgets that suit the ladder of a saved router.

    Args:
        meta: what the router says of itself.
        costs: mean cost of each operating point on its calibration split.
        scales: visual tokens per crop, from the cheapest.
    """
    if named := meta.get("budgets"):
        return tuple(named)
    # Older routers do not name them, and the dearest point need not be always the largest scale.
    return share_budgets(min(costs), max(*costs, scales[-1]))


def pick_headline(budgets: Sequence[float]) -> float:
    """Pick the budget that makes the headline: an eighth, the one in the middle."""
    return budgets[len(budgets) // 2]
