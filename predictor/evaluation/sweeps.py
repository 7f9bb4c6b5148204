"""From P(correct) to choices on the test split, every lambda solved on the calibration split.

But for the comparison at equal cost: there the costs of the test split, and nothing else of it,
decide where each contestant stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import TOKENS, FloatArray, IntArray, TrainData
from predictor.evaluation.methods import Estimate
from predictor.evaluation.runs import SeedRun, Splits, Sweep
from predictor.policy.budgets import choose, solve_lambdas
from predictor.policy.parity import find_parity
from predictor.policy.spending import spend
from predictor.policy.support import count_paying
from predictor.routing_metrics.mixing import Mixture


@dataclass(frozen=True)
class SweepSettings:
    """Where lambda is solved.

    Attributes:
        targets: mean budgets to compare at [visual tokens].
        curve_points: budgets on the curve, evenly spread on a logarithmic axis.
        parity_drop: loss of accuracy against the largest scale that still counts as parity
            [share of questions].
    """

    targets: tuple[float, ...]
    curve_points: int
    parity_drop: float


def choose_all(
    estimate: Estimate, splits: Splits, settings: SweepSettings, seed: int, units: bool = True
) -> SeedRun:
    """Choose scales on the test split along a curve, at the targets and at parity.

    Args:
        estimate: P(correct) on calibration and test.
        splits: the data; only costs of the test split are read, never its scores.
        settings: where lambda is solved.
        seed: the training's seed.
        units: whether to choose in other units than visual tokens, too.
    """
    known = splits.calibration
    paying = count_paying(estimate.calibration, known.tokens, known.scores, known.clusters)
    curve, parity = _choose_unit(estimate, splits, settings, TOKENS, paying)
    equal = spend(estimate.test, splits.test.tokens, settings.targets, paying)
    others = [unit for unit in known.costs if units and unit in splits.test.costs]
    return SeedRun(
        seed=seed,
        curve=curve,
        at=_sweep(estimate, splits, TOKENS, settings.targets, paying),
        parity=parity,
        equal=replace(equal, first=_pack(equal.first), second=_pack(equal.second)),
        probabilities=estimate.test,
        raw=estimate.raw,
        others={unit: _choose_unit(estimate, splits, settings, unit, paying) for unit in others},
    )


def _pack(chosen: IntArray) -> IntArray:
    """Store numbers of scales in as few bytes as hold them, since those of all runs are kept."""
    return chosen.astype(np.min_scalar_type(-1 - int(chosen.max(initial=0))))


def _choose_unit(
    estimate: Estimate, splits: Splits, settings: SweepSettings, unit: str, paying: int
) -> tuple[Sweep, Sweep]:
    """Give a curve over all budgets of a unit, and the parity point."""
    costs = splits.calibration.cost(unit)  # [n, s]
    # Of the scales that may be taken: in milliseconds a larger one can be cheaper.
    lowest = float(costs[:, :paying].min(axis=1).mean())
    budgets = np.geomspace(max(lowest, 1e-9), costs.mean(axis=0).max(), settings.curve_points)
    budgets[0] = lowest  # exactly, or rounding could put it out of reach
    curve = _sweep(estimate, splits, unit, budgets.tolist(), paying)
    return curve, _parity(estimate, splits, unit, settings.parity_drop, paying)


def route(bundle: RouterBundle, data: TrainData, budget: float) -> IntArray:
    """Choose scales [n] with a saved router, at a mean budget of visual tokens.

    Lambda is the one that its calibration split spent the budget with.
    """
    probabilities = bundle.predict_proba(data.coarse, data.question, data.extras)
    return bundle.price(budget).choose(probabilities, data.tokens)


def spend_with(bundle: RouterBundle, data: TrainData, budgets: Sequence[float]) -> Mixture:
    """Choose scales with a saved router, so that they cost just the budgets on the split itself."""
    probabilities = bundle.predict_proba(data.coarse, data.question, data.extras)
    return spend(probabilities, data.tokens, budgets, bundle.policy.paying)


def shuffle_run(run: SeedRun, tokens: FloatArray) -> SeedRun:
    """Give every question the scale of another one: the same scales as often, at random.

    A control: what is left of a router when it knows how often each scale is worth taking, but not
    for which question.

    Args:
        run: what the router chose.
        tokens: visual tokens of the test split [n, s].
    """
    order = np.random.default_rng(run.seed).permutation(len(run.at.chosen))
    curve, at, parity = (
        replace(sweep, chosen=sweep.chosen[order]) for sweep in (run.curve, run.at, run.parity)
    )
    equal = _shuffle_mixture(run.compared, order, tokens)
    return SeedRun(run.seed, curve, at, parity, equal=equal)


def _shuffle_mixture(mixture: Mixture, order: IntArray, tokens: FloatArray) -> Mixture:
    """Shuffle choices and let them cost as much as before.

    Where images differ in size the scales of others cost more or less, so some questions get the
    cheapest or the largest scale instead.
    """
    costs = np.asarray(tokens, np.float64)
    wanted = mixture.pick(costs).mean(axis=0)  # [q]
    chosen = mixture.first[order]
    spent = np.take_along_axis(costs, chosen, axis=1).mean(axis=0)
    end = np.where(spent > wanted, 0, costs.shape[1] - 1)
    step = costs.mean(axis=0)[end] - spent
    share = np.where(step != 0, (wanted - spent) / np.where(step != 0, step, 1.0), 0.0)
    return Mixture(chosen, np.broadcast_to(end, chosen.shape), share.clip(0.0, 1.0))


def _sweep(
    estimate: Estimate, splits: Splits, unit: str, budgets: Sequence[float], paying: int
) -> Sweep:
    """Spend budgets on the scales that are shown to pay, which are the first ones."""
    known, costs = (
        split.cost(unit)[:, :paying] for split in (splits.calibration, splits.test)
    )  # [n, paying] each
    lambdas = solve_lambdas(estimate.calibration[:, :paying], known, budgets)
    believed = estimate.test[:, :paying]
    # Packed one by one: all budgets at eight bytes would be the peak of a report's memory.
    chosen = np.column_stack([_pack(choose(believed, costs, lam)) for lam in lambdas])  # [n, q]
    return Sweep(tuple(budgets), np.array(lambdas), chosen)


def _parity(estimate: Estimate, splits: Splits, unit: str, tolerance: float, paying: int) -> Sweep:
    """Take the cheapest lambda that is shown on the calibration split to lose no accuracy."""
    known = splits.calibration
    point = find_parity(
        estimate.calibration, known.cost(unit), known.scores, known.clusters, tolerance, paying
    )
    costs = splits.test.cost(unit)[:, :paying]
    chosen = choose(estimate.test[:, :paying], costs, point.lam)[:, None]
    return Sweep((point.cost,), np.array([point.lam]), _pack(chosen), point.established)
