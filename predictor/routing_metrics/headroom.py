"""Whether scales are worth routing over, measured before any router is trained.

The oracle alone cannot tell: it profits from every lucky answer, so five scales that guess look
as if they helped. What counts here is what the larger scales keep: a question is given the smallest
scale from which on no scale does worse than the best one, and is credited with no more than what
the best scale scores. Two scales that win and lose by chance gain nothing that way.

Source: the always-better-to-mix test of RouterBench (arXiv 2403.12031), with this stable oracle.
"""

from typing import Final

import numpy as np

from labels.oracle import CORRECT
from predictor.data import FloatArray, NameArray, Results
from predictor.routing_metrics.bootstrap import draw_resamples, interval, mean_draws
from predictor.routing_metrics.gap import check_table, fixed_points, hull_at, hull_points, oracle_at
from predictor.routing_metrics.regressions import non_monotone_share

WORTH: Final = 0.02
"""A gain over mixing fixed scales that is worth a router [share of questions]."""


def measure_headroom(scores: FloatArray, tokens: FloatArray, image_ids: NameArray) -> Results:
    """Measure what a perfect choice of scale could gain, and how much of it is not luck.

    Args:
        scores: scores [n, s], scales in ascending order of cost.
        tokens: visual tokens [n, s].
        image_ids: image of each question [n]; the bootstrap draws images.

    Returns:
        `n`, `fixed`, `hull`, `headroom` (oracle above hull at the cost of each fixed scale),
        `stable` (what stays right), shares of questions, and `verdict` with `sentence`.
    """
    score, cost = check_table(scores, tokens)
    at, accuracy = fixed_points(score, cost)
    hull = hull_at(at, accuracy, at)
    oracle = oracle_at(score, cost, at)
    right = score >= CORRECT
    section: Results = {
        "n": len(score),
        "fixed": [{"tokens": t, "accuracy": a} for t, a in zip(at, accuracy, strict=True)],
        "hull": [list(corner) for corner in zip(*hull_points(at, accuracy), strict=True)],
        "headroom": [
            {"tokens": t, "hull": h, "oracle": o, "headroom": o - h}
            for t, h, o in zip(at, hull, oracle, strict=True)
        ],
        "stable": _stable(score, cost, image_ids),
        "oracle_accuracy": score.max(axis=1).mean(),
        "always_right": right.all(axis=1).mean(),
        "always_wrong": (~right).all(axis=1).mean(),
        "non_monotone": non_monotone_share(score),
    }
    verdict, reason = _decide(section)
    worth = {"worth": "Worth routing", "undecided": "Undecided"}.get(verdict, "Not worth routing")
    return {**section, "verdict": verdict, "sentence": f"{worth}: {reason}"}


def _stable(scores: FloatArray, tokens: FloatArray, image_ids: NameArray) -> Results:
    best = int(scores.mean(axis=0).argmax())
    keeps = scores[:, : best + 1] >= scores[:, [best]]  # [n, best + 1]
    # The smallest scale from which on none does worse than the best one [n].
    chosen = np.logical_and.accumulate(keeps[:, ::-1], axis=1)[:, ::-1].argmax(axis=1)
    spent = np.take_along_axis(tokens, chosen[:, None], axis=1)  # [n, 1]
    columns = np.hstack((tokens, scores, spent))  # [n, 2s + 1]

    def gain(means: FloatArray) -> tuple[FloatArray, FloatArray]:
        cost, accuracy, at = np.split(means, (tokens.shape[1], 2 * tokens.shape[1]), axis=1)
        hull = hull_at(cost, accuracy, at)[:, 0]
        return hull, np.asarray(accuracy[:, best] - hull)

    # As a table of one draw [1, 2s + 1].
    hull, point = gain(columns.mean(axis=0)[None])
    low, high = interval(gain(mean_draws(draw_resamples(image_ids), columns))[1])
    return {
        "tokens": spent.mean(),
        "accuracy": scores[:, best].mean(),
        "hull": hull[0],
        "gain": point[0],
        "gain_low": low,
        "gain_high": high,
        "best": best,
    }


def _decide(section: Results) -> tuple[str, str]:
    stable = section["stable"]
    fixed = section["fixed"]
    best = fixed[stable["best"]]
    cheapest = fixed[0]
    top = max(section["headroom"], key=lambda point: point["headroom"])
    points = f"{100 * top['headroom']:.1f} points"
    gain = f"{100 * stable['gain']:.1f} points"
    if top["headroom"] < WORTH and best["accuracy"] - cheapest["accuracy"] < WORTH:
        return "flat", (
            f"the ladder is flat, {cheapest['tokens']:.0f} tokens ({cheapest['accuracy']:.3f}) do "
            f"what {best['tokens']:.0f} do ({best['accuracy']:.3f}); always use the cheapest scale."
        )
    if top["headroom"] < WORTH:
        return "alike", (
            f"questions need the same scale; even the oracle is at most {points} above mixing "
            f"fixed scales, so always use {best['tokens']:.0f} tokens."
        )
    if stable["gain"] < WORTH:
        return "luck", (
            f"the oracle's {points} above mixing fixed scales are luck, a larger scale loses about "
            f"what it wins; what stays right gains {gain}."
        )
    span = f"95 % interval {100 * stable['gain_low']:.1f} to {100 * stable['gain_high']:.1f}"
    if stable["gain_low"] <= 0:
        return "undecided", f"{section['n']} questions are too few ({gain}, {span}); label more."
    return "worth", (
        f"{stable['tokens']:.0f} tokens per question can keep the {stable['accuracy']:.3f} of "
        f"{best['tokens']:.0f}, where mixing fixed scales gets {stable['hull']:.3f} ({gain}, "
        f"{span})."
    )
