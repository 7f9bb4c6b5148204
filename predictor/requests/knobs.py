"""The knob of a request: its operating point, given in one of five ways."""

from dataclasses import dataclass
from typing import Any

from m3_backbone.arguments import check_number, check_share, check_whole
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
        budget: mean cost per question, at most, on the calibration split; unfamiliar inputs, which
            are read at the largest scale, come on top.
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
        for name, value in self._check_values().items():
            object.__setattr__(self, name, value)

    def _check_values(self) -> dict[str, Any]:
        """Give the number of the way that was chosen as a plain one; refuse what is none."""
        if self.budget is not None:
            return {"budget": check_number("a budget", self.budget, 0)}
        if self.drop is not None:
            return {"drop": check_share("a drop", self.drop)}
        if self.scale is not None:
            return {"scale": check_whole("a scale", self.scale)}
        if self.certified is not None:
            self.claim()
        elif not isinstance(self.lam, OperatingPoint):
            return {"lam": check_number("lambda", self.lam, 0)}
        return {}

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
