"""What a choice of scales wasted and what a router that knows the data set would have had.

Beside regressions and rescues (`rules.py`) and the gap closed (`curves.py`).
"""

import numpy as np

from predictor.curves import fixed_points
from predictor.data import FloatArray, IntArray, NameArray
from predictor.rules import NEVER, minimal_index


def token_regret(scores: FloatArray, tokens: FloatArray, chosen: IntArray) -> dict[str, float]:
    """Compare a choice with the cheapest scale that is right, where there is one.

    Args:
        scores: scores [n, s], scales in ascending order of cost.
        tokens: visual tokens [n, s].
        chosen: index of the chosen scale [n].

    Returns:
        `token_regret`, mean tokens spent beyond the cheapest right scale, negative where too few
        were; `over` and `under`, the shares that got more and fewer than that; NaN if no question
        has a right scale.
    """
    best = minimal_index(scores)
    rows = np.flatnonzero(best != NEVER)
    if len(rows) == 0:
        return dict.fromkeys(("token_regret", "over", "under"), float("nan"))
    extra = tokens[rows, chosen[rows]] - tokens[rows, best[rows]]
    return {
        "token_regret": float(extra.mean()),
        "over": float((extra > 0).mean()),
        "under": float((extra < 0).mean()),
    }


def dataset_gain(
    scores: FloatArray, tokens: FloatArray, groups: NameArray, chosen: IntArray
) -> dict[str, float]:
    """Compare a choice with the best fixed scale of each data set or family.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        groups: data set or family of each question [n].
        chosen: index of the chosen scale [n].

    Returns:
        `dataset_oracle` and `dataset_tokens`, accuracy and mean tokens of the best scale of each
        group, the cheaper of equals, and `dataset_gain`, the choice's accuracy minus that.

    Source: LLMRouterBench (arXiv 2601.07206): at 0 or below, a router has only learned which data
        set it is on. The best scale is picked on these outcomes, which flatters it.
    """
    names, owner = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    picked = np.empty(len(scores), np.int64)
    for index in range(len(names)):
        rows = owner == index
        cost, accuracy = fixed_points(scores[rows], tokens[rows])
        picked[rows] = np.lexsort((cost, -accuracy))[0]
    rows = np.arange(len(scores))
    oracle = float(scores[rows, picked].mean())
    return {
        "dataset_oracle": oracle,
        "dataset_tokens": float(tokens[rows, picked].mean()),
        "dataset_gain": float(scores[rows, chosen].mean()) - oracle,
    }
