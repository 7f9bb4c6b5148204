"""A proven bound on what routing loses: fixed-sequence Learn-then-Test on regressions.

A regression is a question that the largest scale gets right and the routed one does not. The risk
is the expected share of regressions among the questions of an image, images drawn at random: an
image counts once, because its questions depend on each other and only images are exchangeable.
With probability 1 - delta over the calibration images, the risk of the certified choice is at most
alpha.

The choices that are tested may not depend on the images that test them. So lambda prices the
router's own probabilities, before the calibration that was learnt on the same split, and the
lambdas come from the training split.

Source: Angelopoulos et al. 2021, Learn then Test (arXiv 2110.01052), fixed-sequence testing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Interval

from m3_backbone.schemas import CLOSED, parse_saved
from predictor.data import FloatArray, IntArray, TrainData
from predictor.policy.budgets import RETRAIN, Amount, OperatingPoint, choose, lambda_path
from predictor.policy.risk_tests import RiskTest, image_means, images_needed
from predictor.routing_metrics.regressions import regressed


@dataclass(frozen=True)
class Certificate(OperatingPoint):
    """What was certified, and all that is needed to check it.

    Attributes:
        alpha: bound on the risk [share of an image's questions].
        delta: chance that the bound does not hold.
        lam: the last lambda that passed; None means always the largest scale.
        images: calibration images n.
        questions: questions about them.
        split: fingerprint of the calibration split.
        lambdas: lambdas in the order of testing, up to the first that failed [m].
        p_values: p-value of each [m].
        risk: observed share of regressions with `lam`, averaged over images.
        tokens: mean visual tokens per question with `lam`.
        tested: routers among which this one was picked on the same split; each could have been, so
            each p-value has to be below delta divided by their number.
    """

    __pydantic_config__ = CLOSED

    alpha: Annotated[float, Interval(gt=0, lt=1)]
    delta: Annotated[float, Interval(gt=0, lt=1)]
    lam: Amount | None
    images: Annotated[int, Ge(1)]
    questions: Annotated[int, Ge(1)]
    split: str
    lambdas: tuple[Amount, ...]
    p_values: tuple[Annotated[float, Interval(ge=0, le=1)], ...]
    risk: Annotated[float, Interval(ge=0, le=1)]
    tokens: Amount
    tested: Annotated[int, Ge(1)] = 1
    calibrated: ClassVar[bool] = False  # the calibration was learnt on the split that proves it

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


def image_losses(
    probabilities: FloatArray, data: TrainData, lam: float | None
) -> tuple[FloatArray, float]:
    """Measure one lambda on a split.

    Args:
        probabilities: the router's own P(correct) [n, s].
        data: the split.
        lam: price of a visual token; None for always the largest scale.

    Returns:
        Share of regressions of each image [i] and mean visual tokens per question.
    """
    chosen = choose_at(probabilities, data.tokens, lam)
    lost = regressed(data.scores, chosen).astype(np.float64)
    spent = np.asarray(data.tokens, np.float64)[np.arange(len(data)), chosen]
    return image_means(lost, data.image_ids), float(spent.mean())


def fixed_sequence(losses: Iterable[FloatArray], test: RiskTest) -> list[float]:
    """Test hypotheses in a fixed order until one cannot be rejected.

    Args:
        losses: losses of the images with each lambda, safest first, each [i].
        test: what is tested, and at which level.

    Returns:
        The p-values, the first above delta being the last.
    """
    p_values: list[float] = []
    for row in losses:
        p_values.append(test.p_value(row))
        # Since the first failure ends it, each test may use the whole of delta.
        if p_values[-1] > test.delta:
            break
    return p_values


def certify(
    probabilities: FloatArray,
    data: TrainData,
    lambdas: FloatArray,
    level: tuple[float, float],
    tested: int = 1,
) -> Certificate:
    """Find the cheapest lambda whose risk is proven to be at most alpha.

    Args:
        probabilities: the router's own P(correct) on the calibration split [n, s].
        data: the calibration split.
        lambdas: rising lambdas that do not depend on this split [m].
        level: alpha, the bound on the risk, and delta, the chance that it does not hold.
        tested: routers among which this one was picked on this split.

    Returns:
        The certificate; with no lambda, if the first one fails already.

    Raises:
        ValueError: if the split has too few images for the level.
    """
    alpha, delta = level
    images = data.n_images
    needed = images_needed(alpha, delta / tested, single=images == len(data))
    if images < needed:
        raise ValueError(
            f"certifying alpha {alpha:g} at delta {delta:g} needs at least {needed} calibration "
            f"images, got {images}; label more or ask for less"
        )
    # Always the largest scale comes first; it loses nothing, and its p-value is the check above.
    order = [float(lam) for lam in lambdas]
    test = RiskTest(alpha, delta / tested, images, len(data))
    p_values = fixed_sequence((image_losses(probabilities, data, lam)[0] for lam in order), test)
    # All but the last one, which ended the sequence, unless every lambda passed.
    passed = sum(p <= test.delta for p in p_values)
    lam = order[passed - 1] if passed else None
    losses, tokens = image_losses(probabilities, data, lam)
    return Certificate(
        alpha=alpha,
        delta=delta,
        lam=lam,
        images=images,
        questions=len(data),
        split=data.fingerprint(),
        lambdas=tuple(order[: len(p_values)]),
        p_values=tuple(p_values),
        risk=float(losses.mean()),
        tokens=tokens,
        tested=tested,
    )


def candidate_lambdas(probabilities: FloatArray, train: TrainData, count: int = 200) -> FloatArray:
    """List the lambdas to test, safest first, from what the router says of its training split.

    Args:
        probabilities: the router's own P(correct) on the training split [n, s].
        train: the training split.
        count: most lambdas.

    Returns:
        Rising lambdas [m], the first one 0.
    """
    return lambda_path(probabilities, train.tokens, count)[::-1]


def check_certificate(certificate: Certificate, probabilities: FloatArray, data: TrainData) -> None:
    """Prove a certificate again.

    Args:
        certificate: what is to be checked.
        probabilities: the router's own P(correct) on the calibration split [n, s].
        data: the calibration split.

    Raises:
        ValueError: if the split is another one, or anything comes out differently.
    """
    if data.fingerprint() != certificate.split:
        raise ValueError(
            f"the certificate was made with the calibration split {certificate.split}, these "
            f"outcomes are {data.fingerprint()}; give the folder the router was calibrated on"
        )
    level = (certificate.alpha, certificate.delta)
    lambdas = np.array(certificate.lambdas)
    again = certify(probabilities, data, lambdas, level, certificate.tested)
    both = zip(again.p_values, certificate.p_values, strict=False)
    apart = any(abs(new - old) > 1e-9 for new, old in both)
    if apart or again.lambdas != certificate.lambdas or again.lam != certificate.lam:
        raise ValueError(
            f"the certificate says lambda {certificate.lam} for alpha {certificate.alpha:g} and "
            f"delta {certificate.delta:g}, the outcomes say {again.lam}; train the router again"
        )
