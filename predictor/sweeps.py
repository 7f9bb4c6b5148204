"""From P(correct) to choices on the test split, every lambda solved on the calibration split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from predictor.bench import SeedRun, Sweep
from predictor.contestants import Estimate, Splits
from predictor.policy import choose, operating_table, solve_lambda


@dataclass(frozen=True)
class SweepSettings:
    """Where lambda is solved.

    Attributes:
        targets: mean budgets to compare at [visual tokens].
        curve_points: budgets on the curve, evenly spread on a logarithmic axis.
        parity_slack: loss of accuracy against the dearest scale that the parity point may show on
            the calibration split [share of questions].
    """

    targets: tuple[float, ...]
    curve_points: int
    parity_slack: float


def choose_all(estimate: Estimate, splits: Splits, settings: SweepSettings, seed: int) -> SeedRun:
    """Choose scales on the test split along a curve, at the targets and at parity.

    Args:
        estimate: P(correct) on calibration and test.
        splits: the data; only tokens of the test split are read, never its scores.
        settings: where lambda is solved.
        seed: the training's seed, kept in the answer.

    Returns:
        The choices.
    """
    costs = np.asarray(splits.calibration.tokens, np.float64)
    lowest = float(costs.min(axis=1).mean())
    curve = np.geomspace(max(lowest, 1e-9), costs.mean(axis=0).max(), settings.curve_points)
    curve[0] = lowest
    return SeedRun(
        seed=seed,
        curve=_sweep(estimate, splits, curve.tolist()),
        at=_sweep(estimate, splits, settings.targets),
        parity=_parity(estimate, splits, settings.parity_slack),
        probabilities=estimate.test,
    )


def shuffle_run(run: SeedRun) -> SeedRun:
    """Give every question the scale of another one: the same scales as often, at random.

    Args:
        run: a router's choices.

    Returns:
        The same choices for permuted questions, without probabilities.
    """
    rng = np.random.default_rng(run.seed)
    order = rng.permutation(len(run.at.chosen))
    curve, at, parity = (
        replace(sweep, chosen=sweep.chosen[order]) for sweep in (run.curve, run.at, run.parity)
    )
    return SeedRun(run.seed, curve, at, parity)


def _sweep(estimate: Estimate, splits: Splits, budgets: Sequence[float]) -> Sweep:
    costs = splits.calibration.tokens
    lambdas = [solve_lambda(estimate.calibration, costs, budget) for budget in budgets]
    picks = [choose(estimate.test, splits.test.tokens, lam) for lam in lambdas]
    return Sweep(tuple(budgets), np.array(lambdas), np.column_stack(picks))


def _parity(estimate: Estimate, splits: Splits, slack: float) -> Sweep:
    """Find the cheapest behaviour that loses nothing on the calibration split.

    Where there is none, the dearest scale for every question is what a careful user is left with.
    """
    known = splits.calibration
    table = operating_table(estimate.calibration, known.tokens, known.scores)
    enough = float(np.mean(known.scores[:, -1])) - slack - 1e-12
    good = np.flatnonzero(np.array(table.accuracies) >= enough)
    if len(good) == 0:
        always = np.full((len(splits.test), 1), len(known.scales) - 1, np.int64)
        return Sweep((float(np.mean(known.tokens[:, -1])),), np.array([np.nan]), always)
    lam = table.lambdas[good[0]]
    chosen = choose(estimate.test, splits.test.tokens, lam)[:, None]
    return Sweep((table.costs[good[0]],), np.array([lam]), chosen)
