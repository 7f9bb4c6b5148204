"""A proven bound on what routing loses: fixed-sequence Learn-then-Test on a named loss.

With probability 1 - delta over the calibration images, the certified choice keeps its claim; see
`claims.py` for what it is and what the sums over images are. Candidates are tested safest first
until one cannot be shown to keep it. A claim on every family is kept where the worst one keeps it:
each family is tested at the whole of delta, since a wrong choice has to slip through the test of
the very family that it breaks.

The router's own probabilities are priced, before the calibration that was learnt on the split that
proves the claim, at the lambdas of `candidates.py`.

Source: Angelopoulos et al. 2021, Learn then Test (arXiv 2110.01052), fixed-sequence testing;
    Berger 1982 (Technometrics 24.4) for the test that takes the largest of several p-values.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge, Interval

from m3_backbone.schemas import CLOSED, parse_saved
from predictor.data import FloatArray, IntArray, TrainData
from predictor.policy.budgets import RETRAIN, Amount, OperatingPoint, choose
from predictor.policy.candidates import Candidates
from predictor.policy.claims import ALL, Claim, Counting, Family, Losses
from predictor.policy.risk_tests import TEST, images_needed, p_value

_MOST_TRIED = 20_000
"""Images that are tried even for a split of few, to say how many it needs."""

_AT_ONCE = 32
"""Candidates that are tested side by side, which takes about as long as one."""


@dataclass(frozen=True)
class Certificate(OperatingPoint):
    """What was certified, and all that is needed to check it.

    Attributes:
        claim: what it claims.
        lam: the last candidate that passed; None means always the largest scale.
        images: calibration images n.
        questions: questions about them.
        split: fingerprint of the calibration split.
        candidates: fingerprint of the candidates.
        most: questions that an image counts as at most, among all families; None if all of its.
        p_values: p-value of each candidate, up to the first that failed.
        risk: observed loss with `lam`, that of the worst family where families are claimed.
        tokens: mean visual tokens per question with `lam`.
        tested: routers among which this one was picked on the same split; each could have been, so
            each p-value has to be below delta divided by their number.
        test: name of the test that gave the p-values; the first one had none.
    """

    __pydantic_config__ = CLOSED

    claim: Claim
    lam: Amount | None
    images: Annotated[int, Ge(1)]
    questions: Annotated[int, Ge(1)]
    split: str
    candidates: str
    most: Annotated[int, Ge(1)] | None
    p_values: tuple[Annotated[float, Interval(ge=0, le=1)], ...]
    risk: Annotated[float, Interval(ge=-1, le=1)]
    tokens: Amount
    tested: Annotated[int, Ge(1)] = 1
    test: str = "fixed bets"
    calibrated: ClassVar[bool] = False  # the calibration was learnt on the split that proves it

    @property
    def sentence(self) -> str:
        """The claim in words."""
        return self.claim.sentence(self.most)

    def choose(self, probabilities: FloatArray, tokens: FloatArray) -> IntArray:
        """Pick a scale for every row, as certified; see `OperatingPoint.choose`."""
        return choose_at(probabilities, tokens, self.lam)

    def to_dict(self) -> dict[str, Any]:
        """Give the certificate as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Certificate":
        """Rebuild a certificate."""
        return parse_saved(cls, record, "a certificate", RETRAIN)


def choose_at(probabilities: FloatArray, costs: FloatArray, lam: float | None) -> IntArray:
    """Pick a scale for every row, the largest where no lambda passed.

    Args:
        probabilities: P(correct) [n, s].
        costs: visual tokens, [s] or [n, s].
        lam: price of a visual token; None for always the largest scale.

    Returns:
        Column index of the chosen scale [n].
    """
    if lam is None:
        return np.full(len(probabilities), probabilities.shape[1] - 1, np.int64)
    return choose(probabilities, costs, lam)


def worst_p_value(losses: Losses, claim: Claim, tested: int = 1) -> float:
    """Test that a choice breaks a claim, in the family that seems to break it most.

    Args:
        losses: its losses.
        claim: what is claimed.
        tested: routers among which this one was picked on the same split.
    """
    return float(_worst_p_values([losses], claim, tested)[0])


def _worst_p_values(losses: Sequence[Losses], claim: Claim, tested: int) -> FloatArray:
    """Test several choices side by side [m]."""
    excess = np.stack([one.excess(claim.alpha) for one in losses])  # [m, g, i]
    return np.asarray(p_value(excess, claim.alpha, claim.delta / tested).max(axis=-1))


def fixed_sequence(losses: Iterable[Losses], claim: Claim, tested: int = 1) -> list[float]:
    """Test candidates in a fixed order until one cannot be shown to keep a claim.

    Args:
        losses: losses with each candidate, safest first.
        claim: what is claimed.
        tested: routers among which this one was picked on the same split.

    Returns:
        The p-values, the first above delta / tested being the last.
    """
    p_values: list[float] = []
    waiting = iter(losses)
    while several := list(islice(waiting, _AT_ONCE)):
        for p in _worst_p_values(several, claim, tested):
            p_values.append(float(p))
            # Since the first failure ends it, each test may use the whole level.
            if p > claim.delta / tested:
                return p_values
    return p_values


def certify_splits(
    losses: Iterable[Losses], splits: IntArray, claim: Claim, tested: int = 1
) -> IntArray:
    """Test candidates as `fixed_sequence` does, on many splits side by side.

    Args:
        losses: losses with each candidate on all images, safest first.
        splits: numbers of the images of every split [k, i].
        claim: what is claimed.
        tested: routers among which this one was picked on the same split.

    Returns:
        How many candidates passed before the first that failed [k].
    """
    passed = np.zeros(len(splits), np.int64)
    alive = np.arange(len(splits))
    for of_candidate in losses:
        # Of all images first: one array of what is drawn, and not three [g, k, i].
        excess = of_candidate.excess(claim.alpha)[:, splits[alive]]
        p_values = p_value(excess, claim.alpha, claim.delta / tested).max(axis=0)
        alive = alive[p_values <= claim.delta / tested]
        if not len(alive):
            break
        passed[alive] += 1
    return passed


class Needed(NamedTuple):
    """Images that a claim needs even if routing never loses anything.

    Attributes:
        family: the family that needs most; `ALL` where they count together.
        images: how many; no more than the split has just if it has enough.
        least: whether no fewer ever do; if not, it depends on how large the new ones are.
    """

    family: Family
    images: int
    least: bool


def count_needed(
    claim: Claim, data: TrainData, most: Mapping[Family, int], tested: int = 1
) -> Needed:
    """Count the images that a claim needs even if routing never loses anything.

    Args:
        claim: what is claimed.
        data: the calibration split, whose images the needed ones are like.
        most: questions that an image counts as at most, see `Candidates`.
        tested: routers among which one is picked on this split.

    Raises:
        ValueError: if no real number of images would do.
    """
    largest = np.full(len(data), data.scores.shape[1] - 1, np.int64)
    counting = Counting.of(claim, data, most)
    losses = Losses.of(claim, counting, data.scores, largest)
    base = losses.base.mean(axis=-1)  # [g]
    rarest = int(base.argmin())
    name = counting.names[rarest]
    if not base[rarest] > 0:
        where = "the split" if name is ALL else f"family {name!r}"
        raise ValueError(
            f"{claim} cannot be certified: the largest scale gets no question of {where} right"
        )
    needed = images_needed(claim.alpha * float(base[rarest]), claim.alpha, claim.delta / tested)
    if worst_p_value(losses, claim, tested) <= claim.delta / tested:
        return Needed(name, min(needed, data.n_images), least=True)
    fewest = max(needed, data.n_images + 1)
    # To try so many takes as long as a test of them; beyond that the formula has to do.
    if not np.ptp(losses.base, axis=-1).any() or fewest > max(_MOST_TRIED, 2 * data.n_images):
        return Needed(name, fewest, least=True)
    return Needed(name, _try_more(losses, claim, tested, fewest), least=False)


def _try_more(losses: Losses, claim: Claim, tested: int, fewest: int) -> int:
    """Find how many images prove a claim, to half a percent, if these come again in their order.

    Images of unequal size prove a little less than as many equal ones, which the formula is about.

    Args:
        losses: those of images that lose nothing.
        claim: what is claimed.
        tested: routers among which one is picked.
        fewest: where to begin.
    """
    known = losses.base.shape[-1]

    def proves(images: int) -> bool:
        again = losses.take(np.arange(images) % known)
        return worst_p_value(again, claim, tested) <= claim.delta / tested

    step = max(fewest // 100, 1)
    low, high = fewest - 1, fewest
    while not proves(high):
        low, high, step = high, high + step, 2 * step
    while high - low > max(fewest // 200, 1):
        middle = (low + high) // 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high


def check_size(claim: Claim, data: TrainData, most: Mapping[Family, int], tested: int = 1) -> None:
    """Refuse a calibration split with too few images; it takes what `count_needed` does.

    Raises:
        ValueError: if it has too few.
    """
    family, needed, least = count_needed(claim, data, most, tested)
    if needed > data.n_images:
        about = "at least" if least else "about"
        also = "" if family is ALL else f" with as large a share of family {family!r}"
        raise ValueError(
            f"certifying {claim} needs {about} {needed} calibration images{also}, got "
            f"{data.n_images}; label more or ask for less"
        )


def certify(
    probabilities: FloatArray,
    data: TrainData,
    candidates: Candidates,
    claim: Claim,
    tested: int = 1,
) -> Certificate:
    """Find the cheapest candidate that is proven to keep a claim.

    Args:
        probabilities: the router's own P(correct) on the calibration split [n, s].
        data: the calibration split.
        candidates: what may be chosen.
        claim: what is claimed.
        tested: routers among which this one was picked on this split.

    Returns:
        The certificate; with no lambda, if the first candidate fails already.

    Raises:
        ValueError: if the split has too few images for the claim, or the candidates come from it.
    """
    if candidates.split == data.fingerprint():
        raise ValueError(
            f"the candidates come from the calibration split {candidates.split}, so it can prove "
            "nothing about them; make them from the training split"
        )
    check_size(claim, data, candidates.most, tested)
    counting = Counting.of(claim, data, candidates.most)

    def measure(lam: float | None) -> Losses:
        chosen = choose_at(probabilities, data.tokens, lam)
        return Losses.of(claim, counting, data.scores, chosen)

    # Always the largest scale comes first; it loses nothing, and its p-value is the check above.
    p_values = fixed_sequence(map(measure, candidates.lambdas), claim, tested)
    # All but the last one, which ended the sequence, unless every lambda passed.
    passed = sum(p <= claim.delta / tested for p in p_values)
    lam = candidates.lambdas[passed - 1] if passed else None
    chosen = choose_at(probabilities, data.tokens, lam)
    spent = np.asarray(data.tokens, np.float64)[np.arange(len(data)), chosen]
    return Certificate(
        claim=claim,
        lam=lam,
        images=data.n_images,
        questions=len(data),
        split=data.fingerprint(),
        candidates=candidates.fingerprint,
        most=None if claim.unit == "image" else candidates.most[ALL],
        p_values=tuple(p_values),
        risk=measure(lam).risk,
        tokens=float(spent.mean()),
        tested=tested,
        test=TEST,
    )


def check_certificate(
    certificate: Certificate,
    candidates: Candidates,
    probabilities: FloatArray,
    data: TrainData,
    tested: int = 1,
) -> None:
    """Compute a certificate again and compare all that it says.

    Args:
        certificate: what is to be checked.
        candidates: the router's candidates.
        probabilities: the router's own P(correct) on the calibration split [n, s].
        data: the calibration split.
        tested: routers among which this one was picked on that split, as the router says.

    Raises:
        ValueError: if the split or the test is another one, or anything comes out differently.
    """
    if certificate.test != TEST:
        raise ValueError(
            f"the certificate for {certificate.claim} was proven by an older test "
            f"({certificate.test}), which cannot be repeated any more; {RETRAIN}"
        )
    if data.fingerprint() != certificate.split:
        raise ValueError(
            f"the certificate was made with the calibration split {certificate.split}, these "
            f"outcomes are {data.fingerprint()}; give the folder the router was calibrated on"
        )
    again = certify(probabilities, data, candidates, certificate.claim, tested).to_dict()
    told = certificate.to_dict()
    if others := [name for name in again if not _agree(again[name], told[name])]:
        raise ValueError(
            f"the certificate for {certificate.claim} differs from the outcomes in "
            f"{', '.join(others)}; {RETRAIN}"
        )


def _agree(one: object, other: object) -> bool:
    """Tell whether two values are the same, numbers up to what differs between machines."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_agree, one, other))
    return one == other
