"""From P(correct) to choices on the test split, every lambda solved on the calibration split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import TOKENS, IntArray, TrainData
from predictor.evaluation.methods import Estimate
from predictor.evaluation.runs import SeedRun, Splits, Sweep
from predictor.policy.budgets import choose, operating_table, solve_lambdas
from predictor.policy.support import count_paying


@dataclass(frozen=True)
class SweepSettings:
    """Where lambda is solved.

    Attributes:
        targets: mean budgets to compare at [visual tokens].
        curve_points: budgets on the curve, evenly spread on a logarithmic axis.
        parity_slack: loss of accuracy against the largest scale that the parity point may show on
            the calibration split [share of questions].
    """

    targets: tuple[float, ...]
    curve_points: int
    parity_slack: float


def choose_all(estimate: Estimate, splits: Splits, settings: SweepSettings, seed: int) -> SeedRun:
    """Choose scales on the test split along a curve, at the targets and at parity.

    Args:
        estimate: P(correct) on calibration and test.
        splits: the data; only costs of the test split are read, never its scores.
        settings: where lambda is solved.
        seed: the training's seed.
    """
    known = splits.calibration
    paying = count_paying(estimate.calibration, known.tokens, known.scores, known.image_ids)
    curve, parity = _choose_unit(estimate, splits, settings, TOKENS, paying)
    return SeedRun(
        seed=seed,
        curve=curve,
        at=_sweep(estimate, splits, TOKENS, settings.targets, paying),
        parity=parity,
        probabilities=estimate.test,
        raw=estimate.raw,
        others={
            unit: _choose_unit(estimate, splits, settings, unit, paying)
            for unit in splits.calibration.costs
            if unit in splits.test.costs
        },
    )


def _choose_unit(
    estimate: Estimate, splits: Splits, settings: SweepSettings, unit: str, paying: int
) -> tuple[Sweep, Sweep]:
    """Give a curve over all budgets of a unit, and the parity point."""
    costs = splits.calibration.cost(unit)  # [n, s]
    lowest = float(costs.min(axis=1).mean())
    budgets = np.geomspace(max(lowest, 1e-9), costs.mean(axis=0).max(), settings.curve_points)
    budgets[0] = lowest  # exactly, or rounding could put it out of reach
    curve = _sweep(estimate, splits, unit, budgets.tolist(), paying)
    return curve, _parity(estimate, splits, unit, settings.parity_slack)


def route(bundle: RouterBundle, data: TrainData, budget: float) -> IntArray:
    """Choose scales [n] with a saved router, at a mean budget of visual tokens.

    Lambda is the one that its calibration split spent the budget with.
    """
    probabilities = bundle.predict_proba(data.coarse, data.question, data.extras)
    return bundle.price(budget).choose(probabilities, data.tokens)


def shuffle_run(run: SeedRun) -> SeedRun:
    """Give every question the scale of another one: the same scales as often, at random.

    A control: what is left of a router when it knows how often each scale is worth taking, but not
    for which question.
    """
    order = np.random.default_rng(run.seed).permutation(len(run.at.chosen))
    curve, at, parity = (
        replace(sweep, chosen=sweep.chosen[order]) for sweep in (run.curve, run.at, run.parity)
    )
    return SeedRun(run.seed, curve, at, parity)


def _sweep(
    estimate: Estimate, splits: Splits, unit: str, budgets: Sequence[float], paying: int
) -> Sweep:
    """Spend budgets on the scales that are shown to pay, which are the first ones."""
    known, costs = (
        split.cost(unit)[:, :paying] for split in (splits.calibration, splits.test)
    )  # [n, paying] each
    lambdas = solve_lambdas(estimate.calibration[:, :paying], known, budgets)
    believed = estimate.test[:, :paying]
    chosen = np.column_stack([choose(believed, costs, lam) for lam in lambdas])  # [n, q]
    return Sweep(tuple(budgets), np.array(lambdas), chosen)


def _parity(estimate: Estimate, splits: Splits, unit: str, slack: float) -> Sweep:
    """Find the cheapest lambda that loses nothing on the calibration split.

    Where there is none, every question gets the largest scale, as a careful user would do.
    """
    scores = splits.calibration.scores
    costs = splits.calibration.cost(unit)
    table = operating_table(estimate.calibration, costs, scores)
    # 1e-12 forgives the rounding of a mean.
    enough = float(np.mean(scores[:, -1])) - slack - 1e-12
    good = np.flatnonzero(np.array(table.accuracies) >= enough)  # cheapest first
    # No lambda loses so little: always the largest scale [n, 1].
    if len(good) == 0:
        always = np.full((len(splits.test), 1), len(splits.test.scales) - 1, np.int64)
        return Sweep((float(np.mean(costs[:, -1])),), np.array([np.nan]), always)
    lam = table.lambdas[good[0]]
    chosen = choose(estimate.test, splits.test.cost(unit), lam)[:, None]
    return Sweep((table.costs[good[0]],), np.array([lam]), chosen)
