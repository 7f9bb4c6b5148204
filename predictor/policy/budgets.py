"""From probabilities, costs and an operating point to a scale.

The rule is argmax over scales of p - lambda * cost, ties to the cheaper. Nothing here knows what a
feature is; costs are in whatever unit the caller uses throughout (mean visual tokens by default).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from m3_backbone.arguments import check_number, check_share
from m3_backbone.schemas import CLOSED, parse_saved
from predictor.data import FloatArray, IntArray
from predictor.routing_metrics.gap import oracle_steps

# Two utilities this close are the same: it absorbs rounding in p - lambda * cost, nothing more.
_TIE = 1e-12

_LARGEST = 1e300
"""Above it the product with a cost may be infinite; a whole number may even be no float."""

RETRAIN = "train the router again"

Amount = Annotated[float, Ge(0)]


@dataclass(frozen=True)
class SavedTable:
    """An operating table in a saved router; `dearest` is its `largest_accuracy`."""

    __pydantic_config__ = CLOSED

    lambdas: tuple[Amount, ...]
    costs: tuple[Amount, ...]
    accuracies: tuple[float, ...]
    unit: str
    dearest: float | None = None
    questions: Annotated[int, Ge(0)] = 0
    paying: Annotated[int, Ge(1)] | None = None
    shares: tuple[tuple[Amount, ...], ...] = ()


class OperatingPoint(ABC):
    """What turns probabilities and visual tokens into a scale: a price or a certificate.

    Attributes:
        calibrated: whether it takes calibrated probabilities, or the router's own.
    """

    calibrated: ClassVar[bool]

    @abstractmethod
    def choose(self, probabilities: FloatArray, tokens: FloatArray) -> IntArray:
        """Pick a scale for every row.

        Args:
            probabilities: P(correct) [n, s].
            tokens: visual tokens, [s] or [n, s].

        Returns:
            Column index of the chosen scale [n].
        """


def _broadcast(probabilities: FloatArray, costs: FloatArray) -> tuple[FloatArray, FloatArray]:
    p = np.asarray(probabilities, np.float64)
    c = np.asarray(costs, np.float64)
    if p.ndim != 2:
        raise ValueError(f"probabilities must be [n, s], got shape {p.shape}")
    if c.shape not in (p.shape, p.shape[1:]):
        raise ValueError(f"costs must be [s] or [n, s] for {p.shape}, got {c.shape}")
    return p, np.broadcast_to(c, p.shape)


def choose(probabilities: FloatArray, costs: FloatArray, lam: float) -> IntArray:
    """Pick a scale for every row: argmax of p - lam * cost, ties to the cheaper.

    Args:
        probabilities: P(correct) [n, s].
        costs: cost of every scale, [s] or, where rows differ, [n, s].
        lam: price of one unit of cost, >= 0.

    Returns:
        Column index of the chosen scale [n]. Shapes that disagree, and a price that is none, raise
        a ValueError.

    Two questions at 36 or 576 tokens; only the second one is worth 540 tokens more:

    >>> belief = np.array([[0.90, 0.92], [0.20, 0.95]])
    >>> choose(belief, np.array([36, 576]), lam=0.001)
    array([0, 1])
    """
    p, c = _broadcast(probabilities, costs)
    lam = check_number("lambda", lam, 0, _LARGEST)
    utility = p - lam * c
    best = utility.max(axis=1, keepdims=True)
    tied = utility >= best - _TIE
    return np.asarray(np.where(tied, c, np.inf).argmin(axis=1), np.int64)


def operating_points(probabilities: FloatArray, costs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give every distinct behaviour.

    A router takes the steps of an oracle that has its probabilities for scores, each exactly where
    the gain per unit of cost exceeds lambda.

    Args:
        probabilities: P(correct) [n, s].
        costs: cost of every scale, [s] or [n, s].

    Returns:
        Falling lambdas and rising mean costs, both [m].
    """
    p, c = _broadcast(probabilities, costs)
    steps = oracle_steps(p, c)
    slopes = steps.gain / steps.cost  # falling [m]
    cheapest = steps.base_tokens.mean()
    if len(slopes) == 0:
        return np.zeros(1), np.array([cheapest])
    cost = cheapest + np.concatenate([[0.0], np.cumsum(steps.cost)]) / len(p)  # [m + 1]
    # Beyond the steepest slope any lambda does the same; twice the slope is clear of it.
    above = np.concatenate([[2.0 * slopes[0]], slopes])
    below = np.concatenate([slopes, [0.0]])
    # Half way between two slopes, so that rounding cannot tip a row; equal slopes go together.
    between = 0.5 * (above + below)
    apart = above - below > 1e-9 * above
    apart[-1] = True
    # All steps taken: that is what lambda 0 does, and it is kept even beside an equal one.
    between[-1] = 0.0
    return between[apart], cost[apart]


def lambda_path(probabilities: FloatArray, costs: FloatArray, max_points: int = 200) -> FloatArray:
    """List the lambdas that are worth trying, from the cheapest behaviour to lambda 0.

    Args:
        probabilities: P(correct) [n, s].
        costs: cost of every scale, [s] or [n, s].
        max_points: most lambdas to give; the behaviours are thinned evenly in log mean cost.

    Returns:
        Falling lambdas [m], m <= max_points, the last one 0; mean cost rises along them.

    Raises:
        ValueError: if shapes disagree or `max_points` < 2.
    """
    if max_points < 2:
        raise ValueError(f"max_points must be at least 2, got {max_points}")
    lambdas, cost = operating_points(probabilities, costs)
    if len(lambdas) <= max_points:
        return lambdas
    # Evenly in the logarithm, as budgets are chosen: 36, 72, 144.
    scale = np.log(np.maximum(cost, 1e-9))
    marks = np.linspace(scale[0], scale[-1], max_points)
    picked = np.unique(np.searchsorted(scale, marks).clip(0, len(lambdas) - 1))
    return np.asarray(lambdas[picked])


def solve_lambdas(
    probabilities: FloatArray, costs: FloatArray, budgets: Sequence[float]
) -> list[float]:
    """Find the smallest lambda whose mean cost stays within each budget.

    Args:
        probabilities: P(correct) [n, s], of the calibration split.
        costs: cost of every scale, [s] or [n, s].
        budgets: largest mean costs, in the unit of `costs` [q].

    Returns:
        Lambdas [q]; 0 for a budget that does not bind.

    At most 306 tokens per question, so one of the two may take 576:

    >>> belief, costs = np.array([[0.90, 0.92], [0.20, 0.95]]), np.array([36, 576])
    >>> [lam] = solve_lambdas(belief, costs, [306])
    >>> float(costs[choose(belief, costs, lam)].mean())
    306.0
    """
    lambdas, cost = operating_points(probabilities, costs)
    return [_within(lambdas, cost, budget) for budget in budgets]


def _within(lambdas: FloatArray, cost: FloatArray, budget: float) -> float:
    budget = check_number("a budget", budget, 0, _LARGEST)
    # The slack forgives the rounding of a mean, so that "mean of 9" is met by always-9.
    affordable = np.flatnonzero(cost <= budget * (1 + 1e-9))
    if len(affordable) == 0:
        raise ValueError(
            f"budget {budget:g} is below the cheapest possible mean cost {cost[0]:g}; raise it"
        )
    return float(lambdas[affordable[-1]])


@dataclass(frozen=True)
class OperatingTable:
    """What each lambda did on the calibration split; turns a budget into a lambda at run time.

    Attributes:
        lambdas: falling lambdas [m].
        costs: mean cost at each lambda [m], rising.
        accuracies: mean score at each lambda [m].
        unit: unit of the costs.
        largest_accuracy: mean score of always the largest scale; None in tables without it.
        questions: questions that were averaged over; 0 in tables that do not know it.
        paying: scales, from the cheapest, that spending is shown to pay for, and that the table is
            about; None for all.
        shares: share of questions that each lambda sends to each scale, of `paying` ones [m, s];
            empty in tables that do not know it.
    """

    lambdas: tuple[float, ...]
    costs: tuple[float, ...]
    accuracies: tuple[float, ...]
    unit: str = "visual tokens"
    largest_accuracy: float | None = None
    questions: int = 0
    paying: int | None = None
    shares: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        m = len(self.lambdas)
        if m == 0 or not len(self.costs) == len(self.accuracies) == m:
            raise ValueError("lambdas, costs and accuracies must be of one length, at least 1")
        if list(self.lambdas) != sorted(self.lambdas, reverse=True):
            raise ValueError("lambdas must fall")
        # Means of the same rows may differ by rounding.
        if np.any(np.diff(self.costs) < -1e-9 * max(self.costs)):
            raise ValueError("costs must rise")
        if self.shares and len(self.shares) != m:
            raise ValueError("shares must be one row for each lambda")

    def shares_at(self, lam: float) -> tuple[float, ...]:
        """Give the share of calibration questions at each scale [s]; empty if it is not known.

        Args:
            lam: price of a unit; of the table's the nearest one counts.
        """
        if not self.shares:
            return ()
        return self.shares[int(np.abs(np.array(self.lambdas) - lam).argmin())]

    def lambda_for_budget(self, budget: float) -> float:
        """Find the smallest recorded lambda whose mean cost stayed within a budget.

        Args:
            budget: largest mean cost, in `unit`.

        Returns:
            Lambda; 0 if the budget does not bind.
        """
        return _within(np.array(self.lambdas), np.array(self.costs), budget)

    def lambda_for_drop(self, drop: float) -> float | None:
        """Find the lambda of least cost whose accuracy stayed near that of the largest scale.

        Args:
            drop: largest loss of accuracy on the calibration split [share of questions].

        Returns:
            Lambda; None if no lambda loses as little.

        Raises:
            ValueError: if the drop is no share, or so small that the calibration split, or this
                table, cannot tell it from none.
        """
        drop = check_share("a drop", drop)
        if self.largest_accuracy is None:
            raise ValueError(f"the table does not know the largest scale's accuracy; {RETRAIN}")
        # One question must not weigh more than the drop; the factor forgives rounding.
        needed = 1 / drop * (1 - 1e-12)  # infinite for the smallest floats
        if self.questions < needed:
            least = math.ceil(needed) if needed < _LARGEST else needed
            raise ValueError(
                f"a drop of {drop:g} needs at least {least} calibration questions, got "
                f"{self.questions}; label more or allow a larger drop"
            )
        enough = np.array(self.accuracies) >= self.largest_accuracy - drop - 1e-12
        # Lambdas fall and costs rise, so the first that is good enough is the cheapest.
        return self.lambdas[int(enough.argmax())] if enough.any() else None

    def to_dict(self) -> dict[str, Any]:
        """Give the table as JSON-ready values."""
        record = {name: value for name, value in asdict(self).items() if name != "largest_accuracy"}
        for name in ("lambdas", "costs", "accuracies"):
            record[name] = list(record[name])
        record["shares"] = [list(row) for row in self.shares]
        return {**record, "dearest": self.largest_accuracy}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "OperatingTable":
        """Rebuild a table."""
        return cls.from_saved(parse_saved(SavedTable, record, "an operating table", RETRAIN))

    @classmethod
    def from_saved(cls, saved: SavedTable) -> "OperatingTable":
        """Take what was read from a saved router."""
        return cls(
            saved.lambdas,
            saved.costs,
            saved.accuracies,
            saved.unit,
            saved.dearest,
            saved.questions,
            saved.paying,
            saved.shares,
        )


def operating_table(
    probabilities: FloatArray,
    costs: FloatArray,
    scores: FloatArray,
    max_points: int = 400,
    unit: str = OperatingTable.unit,
    paying: int | None = None,
) -> OperatingTable:
    """Record mean cost and accuracy along lambda on a calibration split.

    Args:
        probabilities: P(correct) [n, s].
        costs: cost of every scale, [s] or [n, s].
        scores: what each scale achieved [n, s].
        max_points: most rows of the table.
        unit: unit of the costs, as it is printed.
        paying: scales, from the cheapest, that may be taken, see `support.py`; None for all.

    Raises:
        ValueError: if shapes disagree.
    """
    p, c = _broadcast(probabilities, costs)
    y = np.asarray(scores, np.float64)
    if y.shape != p.shape:
        raise ValueError(f"scores must have shape {p.shape}, got {y.shape}")
    largest = float(y[:, -1].mean())
    p, c = p[:, :paying], c[:, :paying]
    rows = np.arange(len(p))
    lambdas = lambda_path(p, c, max_points)
    picks = [choose(p, c, float(lam)) for lam in lambdas]
    return OperatingTable(
        lambdas=tuple(float(lam) for lam in lambdas),
        costs=tuple(float(c[rows, pick].mean()) for pick in picks),
        accuracies=tuple(float(y[rows, pick].mean()) for pick in picks),
        unit=unit,
        largest_accuracy=largest,
        questions=len(y),
        paying=paying,
        # Six digits tell a million questions apart.
        shares=tuple(
            tuple(np.round(np.bincount(pick, minlength=p.shape[1]) / len(p), 6).tolist())
            for pick in picks
        ),
    )
