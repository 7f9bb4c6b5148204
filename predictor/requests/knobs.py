"""The knob of a request: its operating point, given in one of five ways."""

import math
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from m3_backbone.serialization import show
from predictor.bundle.bundle import RouterBundle
from predictor.data import TOKENS, UNITS
from predictor.policy.budgets import OperatingPoint
from predictor.policy.claims import Claim
from predictor.policy.prices import Price

WAYS = ("budget", "drop", "certified", "lam", "scale")


@dataclass(frozen=True)
class Knob:
    """An operating point, in just one of five ways.

    Attributes:
        budget: largest mean cost per question, over questions like those of the calibration split.
        unit: what the budget counts: visual `tokens`, GFLOP (`flops`) or milliseconds (`ms`).
        drop: largest loss of accuracy against always the largest scale, on the calibration split.
        certified: a claim that the router was trained with `--certify` for, or its text such as
            `net:0.02,0.05`.
        lam: price of a visual token in probability, or an operating point that the router gave.
        scale: visual tokens per image crop, whatever the router says.
    """

    budget: float | None = None
    unit: str = TOKENS
    drop: float | None = None
    certified: str | Claim | None = None
    lam: float | OperatingPoint | None = None
    scale: int | None = None

    def __post_init__(self) -> None:
        """Refuse none or two ways, and values that no router could follow.

        Raises:
            ValueError: if there are any.
        """
        given = [name for name in WAYS if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"give just one of {', '.join(WAYS)}, got {got}")
        if not isinstance(self.unit, str) or self.unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {show(self.unit)}")
        if self.unit != TOKENS and self.budget is None:
            raise ValueError("unit goes with budget: say how many")
        if self.budget is not None:
            _check_number("a budget", self.budget)
        if self.drop is not None and not 0 < _check_number("a drop", self.drop) < 1:
            raise ValueError(f"a drop must lie strictly between 0 and 1, got {show(self.drop)}")
        self._check_rest()

    def _check_rest(self) -> None:
        if self.lam is not None and not isinstance(self.lam, OperatingPoint):
            if _check_number("lambda", self.lam) < 0:
                raise ValueError(f"lambda must be a finite number >= 0, got {show(self.lam)}")
        if self.scale is not None and not _is_whole(self.scale):
            raise ValueError(f"a scale must be a whole number, got {show(self.scale)}")
        if self.certified is not None:
            self.claim()

    def claim(self) -> Claim:
        """Give the claim that is to be certified.

        Raises:
            ValueError: if there is none, or its text is none.
        """
        if isinstance(self.certified, Claim):
            return self.certified
        if not isinstance(self.certified, str):
            raise ValueError(f"certified must be a claim or its text, got {show(self.certified)}")
        return Claim.parse(self.certified)

    def operating_point(self, router: RouterBundle) -> OperatingPoint:
        """Ask a router for the operating point.

        Args:
            router: the router.

        Returns:
            What turns its probabilities into a scale.

        Raises:
            ValueError: if a scale is given, which needs none, or the router has no such point.
        """
        if self.scale is not None:
            raise ValueError(f"scale {self.scale} is given: there is nothing to choose")
        if self.certified is not None:
            return router.certificate(self.claim())
        if self.drop is not None:
            return router.price_for_drop(self.drop)
        if self.budget is not None:
            return router.price(self.budget, self.unit)
        return self.lam if isinstance(self.lam, OperatingPoint) else Price(self.lam or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Give what is set as JSON-ready values; of an operating point its kind."""
        values = {name: getattr(self, name) for name in WAYS}
        given = {name: value for name, value in values.items() if value is not None}
        if self.budget is not None:
            given["unit"] = self.unit
        if self.certified is not None:
            given["certified"] = str(self.claim())
        if isinstance(self.lam, OperatingPoint):
            given["lam"] = type(self.lam).__name__
        return given


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_number(name: str, value: object) -> float:
    if isinstance(value, Real) and not isinstance(value, bool):
        # A whole number of hundreds of digits is no float.
        with suppress(OverflowError):
            if math.isfinite(float(value)):
                return float(value)
    raise ValueError(f"{name} must be a finite number, got {show(value)}")
