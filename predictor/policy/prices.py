"""Prices: operating points in visual tokens, FLOPs or milliseconds.

The router's own table is in visual tokens. A price list holds the same table in FLOPs or in
milliseconds, and turns a question's tokens into that unit at run time.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from m3_backbone.schemas import CLOSED, parse_saved
from predictor.data import UNITS, FloatArray, IntArray, TrainData
from predictor.policy.budgets import (
    RETRAIN,
    Amount,
    OperatingPoint,
    OperatingTable,
    SavedTable,
    choose,
    operating_table,
)

_SAME = 0.01
"""Share of more tokens up to which two scales are the same to a price list."""


@dataclass(frozen=True)
class SavedPrices:
    """A price list in a saved router."""

    __pydantic_config__ = CLOSED

    tokens: tuple[Amount, ...]
    costs: tuple[Amount, ...]
    table: SavedTable


@dataclass(frozen=True)
class PriceList:
    """What visual tokens cost in a unit, and what each lambda did there on the calibration split.

    Attributes:
        tokens: mean visual tokens of the scales, those that spend the same as one [p], rising.
        costs: mean cost of them [p].
        table: what each lambda did.
    """

    tokens: tuple[float, ...]
    costs: tuple[float, ...]
    table: OperatingTable

    def price(self, tokens: FloatArray) -> FloatArray:
        """Turn visual tokens into the unit, by lines between the scales and on beyond them.

        Args:
            tokens: visual tokens [..., s].

        Returns:
            Costs [..., s].
        """
        at, known, cost = (np.asarray(v, np.float64) for v in (tokens, self.tokens, self.costs))
        if len(known) == 1:
            # One point makes no line: in proportion.
            return np.asarray(at * (cost[0] / known[0]))
        # The piece of the broken line that each number lies on, or is beyond [..., s].
        left = np.clip(np.searchsorted(known, at, "right") - 1, 0, len(known) - 2)
        slope = np.diff(cost) / np.diff(known)  # [p - 1]
        return np.asarray(cost[left] + (at - known[left]) * slope[left])

    def to_dict(self) -> dict[str, Any]:
        """Give the list as JSON-ready values."""
        return {**asdict(self), "table": self.table.to_dict()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "PriceList":
        """Rebuild a list.

        Raises:
            ValueError: if a field is missing or wrong.
        """
        saved = parse_saved(SavedPrices, record, "a price list", RETRAIN)
        rising = all(low < high for low, high in zip(saved.tokens, saved.tokens[1:], strict=False))
        if len(saved.tokens) != len(saved.costs) or not rising or saved.tokens[-1:] <= (0,):
            raise ValueError("a price list needs rising tokens and a cost for each; train again")
        return cls(saved.tokens, saved.costs, OperatingTable.from_saved(saved.table))


def list_prices(
    probabilities: FloatArray, data: TrainData, paying: int | None = None
) -> dict[str, PriceList]:
    """Make the price lists of a calibration split.

    Args:
        probabilities: calibrated P(correct) [n, s].
        data: the split.
        paying: scales, from the cheapest, that may be taken, see `support.py`; None for all.

    Returns:
        Unit to its list, for every unit but tokens that the split knows.
    """
    lists = {}
    for unit in data.costs:
        tokens, costs = _join_points(data.tokens.mean(axis=0), data.cost(unit).mean(axis=0))
        # The list converts tokens before its own table can be made.
        bare = PriceList(tokens, costs, OperatingTable((0.0,), (0.0,), (0.0,)))
        priced = bare.price(np.asarray(data.tokens))
        table = operating_table(probabilities, priced, data.scores, unit=UNITS[unit], paying=paying)
        lists[unit] = PriceList(tokens, costs, table)
    return lists


def _join_points(
    tokens: FloatArray, costs: FloatArray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Sort scales [s] by their tokens, and give the mean of those that spend nearly the same [p].

    A small picture may get no more tokens from a larger scale: between two such scales there is no
    slope, or one of what differs by chance.
    """
    order = np.argsort(tokens, kind="stable")
    tokens, costs = tokens[order], costs[order]
    starts = np.append(True, np.diff(tokens) > _SAME * tokens[:-1])
    point = np.cumsum(starts) - 1  # of each scale [s]
    sums = (np.bincount(point, values) for values in (tokens, costs))
    means = [(total / np.bincount(point)).tolist() for total in sums]
    return tuple(means[0]), tuple(means[1])


@dataclass(frozen=True)
class Price(OperatingPoint):
    """What a unit of cost is worth in P(correct).

    Attributes:
        lam: price of one unit.
        prices: the unit's list; None for visual tokens.
        paying: scales, from the cheapest, that may be taken; None for all.
    """

    lam: float
    prices: PriceList | None = None
    paying: int | None = None
    calibrated: ClassVar[bool] = True

    def choose(self, probabilities: FloatArray, tokens: FloatArray) -> IntArray:
        """Pick a scale for every row; see `OperatingPoint.choose`."""
        costs = tokens if self.prices is None else self.prices.price(tokens)
        return choose(probabilities[:, : self.paying], costs[..., : self.paying], self.lam)
