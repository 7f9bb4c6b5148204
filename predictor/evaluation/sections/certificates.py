"""How certificates do on outcomes they were not made with: do they hold, and what do they cost?

Measured in three ways. The certificate of the real calibration split on the real test split.
Certificates of calibration splits drawn from the images of both splits with replacement, whose true
risk is then known exactly. And re-splits of the images of both, where those that did not certify
measure the risk. Beside them stands the cheapest lambda that is safe in truth, which nobody can
know beforehand.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from predictor.data import FloatArray, IntArray, Results, TrainData
from predictor.policy.candidates import Candidates
from predictor.policy.certificates import certify, certify_splits, choose_at, count_needed
from predictor.policy.claims import ALL, Claim, Counting, Family, Losses, count_most
from predictor.routing_metrics.bootstrap import interval
from predictor.routing_metrics.verdict import FEWEST

CLAIMS = (
    Claim("regression", 0.01, 0.05),
    Claim("regression", 0.02, 0.1),
    Claim("regression", 0.05, 0.05),
    Claim("net", 0.01, 0.05),
    Claim("net", 0.02, 0.05),
    Claim("given-right", 0.05, 0.05),
    Claim("regression", 0.1, 0.05, "family"),
)
"""What a report shows."""

DRAWS = 1000
"""Bootstrap draws of a family's images."""

AT_ONCE = 2**22
"""Excesses of drawn images, in all families, that are looked at side by side: 32 MiB."""

Split = tuple[FloatArray, TrainData]
"""A router's own P(correct) on a split [n, s], and the split."""


def feasible_claims(train: TrainData, calibration: TrainData, tested: int = 1) -> tuple[Claim, ...]:
    """Pick those of `CLAIMS` that a calibration split has enough images for.

    Args:
        train: the training split.
        calibration: the calibration split.
        tested: routers among which one is picked on the calibration split.
    """
    needed = _count_images(CLAIMS, calibration, count_most(train), tested)
    return tuple(claim for claim, images in needed.items() if images <= calibration.n_images)


def study_certificates(
    calibration: Split,
    test: Split,
    candidates: Candidates,
    claims: Sequence[Claim] = CLAIMS,
    draws: int = 1000,
    tested: int = 1,
) -> Results:
    """Measure certificates of several claims.

    Args:
        calibration: the split that certifies.
        test: the split that is reported.
        candidates: what may be chosen.
        claims: what is claimed.
        draws: calibration splits that are drawn, of either kind.
        tested: routers among which this one was picked on the calibration split.

    Returns:
        Claim to its measures; only `images` and `needed` where the images are too few. Claims that
        no number of images would prove are left out.
    """
    data = calibration[1]
    section = {}
    for claim, needed in _count_images(claims, data, candidates.most, tested).items():
        level: Results = {
            "sentence": claim.sentence(candidates.most[ALL]),
            "alpha": claim.alpha,
            "delta": claim.delta,
            "images": data.n_images,
            "needed": needed,
        }
        section[str(claim)] = level
        if needed > data.n_images:
            continue
        certificate = certify(*calibration, candidates, claim, tested)
        at = 0 if certificate.lam is None else 1 + candidates.lambdas.index(certificate.lam)
        counted = _Counted.of(claim, candidates, data)
        known_losses, known_tokens = counted.measure(calibration)
        losses, tokens = counted.measure(test)
        risks = np.array([one.risk for one in losses])  # [1 + m]
        safe = tokens[risks <= claim.alpha].min()
        level["lambda"] = certificate.lam
        level["risk"] = risks[at]
        level["worst_family"] = _find_worst_family(claim, test, candidates, certificate.lam)
        level["tokens"] = tokens[at]
        level["safe_tokens"] = safe
        level["cost_ratio"] = tokens[at] / safe
        pooled = [known.join(new) for known, new in zip(known_losses, losses, strict=True)]
        # Tokens are per question, so a split weighs by its questions.
        sizes = [len(data), len(test[1])]
        spent = np.average([known_tokens, tokens], axis=0, weights=sizes)
        drawing = Drawing(claim, data.n_images, tested)
        level.update(_draw_splits(pooled, spent, drawing, draws))
    return section


def _find_worst_family(
    claim: Claim, test: Split, candidates: Candidates, lam: float | None
) -> Results | None:
    """Find the family of the test split in which a choice loses most, which a mean may hide.

    Returns:
        Its loss with an interval over images, and among how many families it is the worst; None
        where fewer than two have enough images, or nothing is lost.
    """
    probabilities, data = test
    each = replace(claim, unit="family")
    counting = Counting.of(each, data, candidates.most)
    chosen = choose_at(probabilities, np.asarray(data.tokens, np.float64), lam)
    losses = Losses.of(each, counting, data.scores, chosen)
    has = counting.add_up(np.ones(len(data))) > 0  # [g, i]
    images = has.sum(axis=1)  # [g]
    large = np.flatnonzero(images >= FEWEST)
    if len(large) < 2 or losses.risks[large].max() <= 0:
        return None
    worst = large[losses.risks[large].argmax()]
    drawn = np.random.default_rng(0).integers(0, images[worst], (DRAWS, images[worst]))
    own = has[worst]
    lost, base = losses.lost[worst, own][drawn], losses.base[worst, own][drawn]  # [r, i]
    low, high = interval(lost.sum(axis=1) / np.maximum(base.sum(axis=1), 1e-12))
    name = counting.names[int(worst)]
    return {
        "name": name,
        "of": len(large),
        "questions": int((np.asarray(data.groups).astype(str) == name).sum()),
        "risk": losses.risks[worst],
        "risk_low": low,
        "risk_high": high,
    }


def _count_images(
    claims: Sequence[Claim], data: TrainData, most: Mapping[Family, int], tested: int
) -> dict[Claim, int]:
    """Count the images that claims need; without those that no number of images would prove."""
    needed = {}
    for claim in claims:
        # Such as a share of what the largest scale gets right, where it gets nothing right.
        with suppress(ValueError):
            needed[claim] = count_needed(claim, data, most, tested).images
    return needed


@dataclass(frozen=True)
class _Counted:
    """A claim, the choices that may keep it, and the families that it is about."""

    claim: Claim
    candidates: Candidates
    names: tuple[Family, ...]

    @classmethod
    def of(cls, claim: Claim, candidates: Candidates, data: TrainData) -> "_Counted":
        """Take the families of the calibration split, since a certificate is about no others."""
        return cls(claim, candidates, Counting.of(claim, data, candidates.most).names)

    def measure(self, split: Split) -> tuple[list[Losses], FloatArray]:
        """Give losses and mean tokens [1 + m]: always the largest scale, then each candidate."""
        probabilities, data = split
        counting = Counting.of(self.claim, data, self.candidates.most, self.names)
        tokens = np.asarray(data.tokens, np.float64)
        choices = [
            choose_at(probabilities, tokens, lam) for lam in (None, *self.candidates.lambdas)
        ]
        losses = [Losses.of(self.claim, counting, data.scores, chosen) for chosen in choices]
        rows = np.arange(len(data))
        return losses, np.array([tokens[rows, chosen].mean() for chosen in choices])


@dataclass(frozen=True)
class Drawing:
    """What is certified with splits that are drawn: a claim, from so many images.

    Attributes:
        claim: what is claimed.
        images: images of a split.
        tested: routers among which one was picked on the split.
    """

    claim: Claim
    images: int
    tested: int = 1

    def certify(self, losses: Sequence[Losses], splits: IntArray) -> IntArray:
        """Give the places of the last choices that splits certify; 0, the largest scale, if none.

        Args:
            losses: losses of the choices on all images, the largest scale first.
            splits: numbers of the images of every split [k, i].

        Returns:
            Places [k].
        """
        # The largest scale loses nothing; of the others as many passed as the number of the last.
        return certify_splits(losses[1:], splits, self.claim, self.tested)


def _draw_splits(
    losses: Sequence[Losses], tokens: FloatArray, drawing: Drawing, draws: int
) -> Results:
    """Certify on images drawn from all, whose mean risk is the truth, and on re-splits of all.

    Args:
        losses: losses of the images of both splits, always the largest scale first [1 + m].
        tokens: mean tokens [1 + m].
        drawing: what is certified.
        draws: calibration splits, of either kind.
    """
    alpha, images = drawing.claim.alpha, drawing.images
    risks = np.array([one.risk for one in losses])
    families, total = losses[0].lost.shape
    step = max(AT_ONCE // (families * images), 1)
    portions = [min(step, draws - done) for done in range(0, draws, step)]
    rng = np.random.default_rng(0)
    # With replacement: the images at hand stand for all there are.
    drawn = np.concatenate(
        [drawing.certify(losses, rng.integers(0, total, (count, images))) for count in portions]
    )
    violations = []
    for count in portions:
        # The candidate that some images certify, on the images that are left.
        orders = np.array([rng.permutation(total) for _ in range(count)])
        left = zip(drawing.certify(losses, orders[:, :images]), orders[:, images:], strict=True)
        violations += [losses[row].take(others).risk > alpha for row, others in left]
    return {
        "drawn_violations": (risks[drawn] > alpha).mean(),
        "drawn_cost_ratio": tokens[drawn].mean() / tokens[risks <= alpha].min(),
        "resplit_violations": np.mean(violations),
        "draws": draws,
    }
