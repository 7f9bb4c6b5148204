"""What a certificate claims: a loss by its name, what it is averaged over, and two levels.

The numbers that are tested and the sentence that people read are both made here, so that they
cannot part. Which routing is tested, and how, is in `certificates.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from m3_backbone.arguments import check_share
from m3_backbone.schemas import CLOSED
from m3_backbone.serialization import sha256
from predictor.data import FloatArray, IntArray, TrainData

Loss = Literal["regression", "net", "given-right"]
Unit = Literal["question", "image", "family"]
Share = Annotated[float, Interval(gt=0, lt=1)]

Family = str | None

ALL: Family = None
"""Stands for all families together; a family may have any name, and none: ""."""

USAGE = "[LOSS:]ALPHA,DELTA[,UNIT] such as net:0.02,0.05"
PARTIAL = "; partial scores count by what they lose"

# Of the score of the largest scale and of the routed one, both [n]: what is lost, and what the loss
# is a share of.
LOSSES: Mapping[str, Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]] = {
    "regression": lambda top, got: (np.maximum(top - got, 0.0), np.ones_like(top)),
    "net": lambda top, got: (top - got, np.ones_like(top)),
    "given-right": lambda top, got: (np.maximum(top - got, 0.0), top),
}

_SAID: Mapping[str, str] = {
    "regression": "at most {alpha} % of the answers are right at the largest scale and wrong as "
    f"routed, {{unit}}{PARTIAL}",
    "net": "the accuracy of routing as such, without the fallback for unfamiliar inputs, is at "
    "most {alpha} percentage points below that of always the largest scale, {unit}",
    "given-right": "of what the largest scale gets right, routing loses at most {alpha} %, {unit}"
    f"{PARTIAL}",
}
_UNITS: Mapping[str, str] = {
    "question": "over all questions",
    "image": "averaged over images, each counting once",
    "family": "in every family of questions by itself",
}
_LIMITS: Mapping[str, str] = {
    "question": "; an image counts as at most {most} questions",
    "image": "",
    "family": "; in each family an image counts as at most as many questions as the training "
    "split's largest image has in it",
}


@dataclass(frozen=True)
class Claim:
    """The claim "the loss is at most alpha", which fails with a chance of at most delta.

    Attributes:
        loss: `regression` counts what the largest scale gets right and routing wrong (negative
            flips); `net` sets what routing gains (positive flips) off against it, which leaves the
            drop in accuracy; `given-right` is the share of regressions among what the largest scale
            gets right. Graded scores count by their difference. The fallback for unfamiliar
            inputs (out of distribution) can only lower the first and the last; it may raise `net`,
            since it also gives up gains.
        alpha: bound on the loss [share of questions].
        delta: chance that the bound does not hold, over calibration images drawn at random.
        unit: whether the loss is averaged over questions, over images, or over the questions of
            each family, in all of them at once.
    """

    __pydantic_config__ = CLOSED

    loss: Loss
    alpha: Share
    delta: Share
    unit: Unit = "question"

    def __post_init__(self) -> None:
        """Refuse unknown names and levels that are no shares.

        Raises:
            ValueError: if there are any.
        """
        for value, known in ((self.loss, Loss), (self.unit, Unit)):
            if value not in get_args(known):
                raise ValueError(f"expected one of {', '.join(get_args(known))}, got {value!r}")
        for name in ("alpha", "delta"):
            object.__setattr__(self, name, check_share(name, getattr(self, name)))

    @classmethod
    def parse(cls, text: str) -> "Claim":
        """Read `[LOSS:]ALPHA,DELTA[,UNIT]`; the loss is `regression` if it is left out.

        Raises:
            ValueError: if it is written otherwise.

        >>> Claim.parse("0.05,0.1") == Claim("regression", 0.05, 0.1, "question")
        True
        >>> print(Claim.parse("net:0.02,0.05,image"))
        net:0.02,0.05,image
        """
        loss, _, levels = text.rpartition(":")
        alpha, delta, *unit = levels.split(",") if levels.count(",") in (1, 2) else ("", "")
        try:
            numbers = float(alpha), float(delta)
        except ValueError as error:
            raise ValueError(f"expected {USAGE}, got {text!r}") from error
        # The names are checked by the class, whatever they are here.
        return cls(loss or "regression", *numbers, *unit)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """Write it as `parse` reads it, the unit only where it is not questions."""
        unit = "" if self.unit == "question" else f",{self.unit}"
        return f"{self.loss}:{self.alpha:g},{self.delta:g}{unit}"

    def sentence(self, most: int | None = None) -> str:
        """Say it in words.

        Args:
            most: questions that an image counts as at most among all, where that is said.
        """
        alpha, confidence = (f"{100 * share:.6g}" for share in (self.alpha, 1 - self.delta))
        said = _SAID[self.loss].format(alpha=alpha, unit=_UNITS[self.unit])
        limit = _LIMITS[self.unit].format(most=most) if most else ""
        return (
            f"With confidence {confidence} %, for images like those of the calibration split, "
            f"{said}{limit}."
        )


def count_most(data: TrainData) -> dict[Family, int]:
    """Count the questions of the image that has most, among all families and in each.

    Returns:
        Family to its count; `ALL` to that of all families together.
    """
    groups = np.asarray(data.groups).astype(str)
    images = data.clusters
    named: dict[Family, NDArray[np.bool_]] = {ALL: np.ones(len(data), np.bool_)}
    named.update({str(name): groups == name for name in np.unique(groups)})
    return {
        name: int(np.unique(images[rows], return_counts=True)[1].max())
        for name, rows in named.items()
    }


@dataclass(frozen=True)
class Counting:
    """How the questions of a split add up to its images, which alone are independent.

    Attributes:
        names: families, `ALL` where they are counted together [g].
        owner: number of each question's image, in an order as good as at random [n]: that of the
            hashes of their names. The names themselves will not do: several images that count as
            one have the first of their names, which is early where they are many.
        shares: what a question counts in the sum of its image [g, n].
    """

    names: tuple[Family, ...]
    owner: IntArray
    shares: FloatArray

    @classmethod
    def of(
        cls,
        claim: Claim,
        data: TrainData,
        most: Mapping[Family, int],
        names: Sequence[Family] | None = None,
    ) -> "Counting":
        """Count a split in the unit of a claim.

        Args:
            claim: whose unit counts.
            data: the split.
            most: questions that an image counts as at most, by family; known from another split,
                since a test needs its largest loss beforehand.
            names: families of a claim on each of them; those of the split if left out.
        """
        images, owner = np.unique(data.clusters, return_inverse=True)
        owner = np.argsort(np.argsort([sha256(str(one).encode()) for one in images]))[owner]
        groups = np.asarray(data.groups).astype(str)
        if claim.unit != "family":
            names = [ALL]
        elif names is None:
            names = sorted(set(groups.tolist()))
        shares = []
        for name in names:
            own = np.ones(len(data)) if name is ALL else (groups == name).astype(np.float64)
            sizes = np.bincount(owner, own)[owner]  # questions of the family about the image [n]
            if claim.unit == "image":
                shares.append(own / sizes)
                continue
            limit = most.get(name, most[ALL])
            # One where the image has few questions; the sum of an image is at most one.
            counted = np.minimum(sizes, limit) / np.maximum(sizes, 1)
            shares.append(own * counted / limit)
        return cls(tuple(names), np.asarray(owner, np.int64), np.array(shares))

    def add_up(self, values: FloatArray) -> FloatArray:
        """Add the values of questions [n] up to those of images [g, i]."""
        return np.array([np.bincount(self.owner, row * values) for row in self.shares])


@dataclass(frozen=True)
class Losses:
    """What routing loses on the images of a split.

    Attributes:
        lost: loss of each image [g, i].
        base: what it is a share of [g, i].
    """

    lost: FloatArray
    base: FloatArray

    @classmethod
    def of(cls, claim: Claim, counting: Counting, scores: FloatArray, chosen: IntArray) -> "Losses":
        """Measure the loss of a claim.

        Args:
            claim: whose loss counts.
            counting: how the questions add up.
            scores: scores, the largest scale last [n, s].
            chosen: index of the chosen scale [n].
        """
        scores = np.asarray(scores, np.float64)
        routed = scores[np.arange(len(scores)), chosen]
        lost, base = LOSSES[claim.loss](scores[:, -1], routed)
        return cls(counting.add_up(lost), counting.add_up(base))

    def take(self, images: IntArray) -> "Losses":
        """Keep the images of these numbers [k], which may repeat; of many splits at once [j, k]."""
        return Losses(self.lost[:, images], self.base[:, images])

    def join(self, other: "Losses") -> "Losses":
        """Put the images of another split behind these; the families are the same."""
        return Losses(np.hstack((self.lost, other.lost)), np.hstack((self.base, other.base)))

    def excess(self, alpha: float) -> FloatArray:
        """Give what each image loses beyond alpha [g, i]; the mean is at most 0 where alpha holds.

        It is at most 1 - alpha.
        """
        return self.lost - alpha * self.base

    @property
    def risks(self) -> FloatArray:
        """The loss of each family over all images [g]."""
        base = self.base.sum(axis=-1)
        return np.asarray(self.lost.sum(axis=-1) / np.where(base > 0, base, 1.0))

    @property
    def risk(self) -> float:
        """The loss over all images, of the worst family."""
        return float(self.risks.max())
