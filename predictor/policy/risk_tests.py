"""Tests of "the mean loss per image is above alpha", valid at any number of images.

Images are independent draws, their questions are not: losses are per image, in [0, 1].

Source: Waudby-Smith and Ramdas 2023, Estimating means of bounded random variables by betting
    (arXiv 2010.09686); Bates et al. 2021 (arXiv 2101.02703) for the binomial tail.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from predictor.data import FloatArray, NameArray

_BOLDEST = 0.95
"""Share of the largest legal bet; the whole of it could lose everything on one image."""

_ALIKE = 0.1
"""Assumed correlation of the losses of one image's questions; it only sizes the bet."""

_MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class RiskTest:
    """A test of "the risk is above alpha" at level delta, fixed before any loss is known.

    Attributes:
        alpha: bound on the risk, strictly between 0 and 1.
        delta: chance that the bound does not hold.
        images: number of images.
        questions: questions about them; as many as images means losses of 0 or 1.
    """

    alpha: float
    delta: float
    images: int
    questions: int

    @property
    def bet(self) -> float:
        """Stake per unit of gain: best against a risk that can just be told from alpha.

        Any bet is valid. The best one depends on how far losses spread, and that is guessed from
        the number of questions, not from the losses that it is used on.
        """
        share = self.images / self.questions
        # Variance of the mean of so many alike losses as an image has questions.
        spread = self.alpha * (1 - self.alpha) * (share + _ALIKE * (1 - share))
        wanted = math.sqrt(-2 * math.log(self.delta) / (self.images * spread))
        # Beyond 1 / (1 - alpha) one lost image would leave a debt, and the logarithm no value.
        return min(wanted, _BOLDEST / (1 - self.alpha))

    def p_value(self, losses: FloatArray) -> float:
        """Test with what fits the split.

        Args:
            losses: loss of each image, in an order that does not depend on them [i].

        Returns:
            A p-value in (0, 1].
        """
        if self.images == self.questions:
            return binomial_p_value(round(float(np.sum(losses))), len(losses), self.alpha)
        return bounded_p_value(losses, self.alpha, self.bet)


def image_means(values: FloatArray, image_ids: NameArray) -> FloatArray:
    """Average over the questions of each image.

    Args:
        values: one number per question [n].
        image_ids: image of each question [n].

    Returns:
        Means [i], images in the order of their names: content hashes, so as good as at random.
    """
    _, owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    return np.asarray(np.bincount(owner, values) / np.bincount(owner))


def bounded_p_value(losses: FloatArray, alpha: float, bet: float) -> float:
    """Test "the mean of these losses is above alpha" for independent losses in [0, 1].

    A gambler bets against that at fair odds, image after image; if it is true, his capital ever
    exceeds 1/p with a chance of at most p. Unlike Hoeffding's bound this gains from losses that are
    small fractions, as those of images with many questions are.

    Args:
        losses: one loss per image, in an order that does not depend on the losses [i].
        alpha: the bound, strictly between 0 and 1.
        bet: what is staked, fixed beforehand, at most 1 / (1 - alpha).

    Returns:
        A p-value in (0, 1].
    """
    # Logarithm of the gambler's capital after each image [i].
    capital = np.cumsum(np.log1p(bet * (alpha - np.asarray(losses, np.float64))))
    # The highest capital counts, not the last (Ville's inequality).
    return math.exp(-max(float(capital.max()), 0.0))


def binomial_p_value(lost: int, n: int, alpha: float) -> float:
    """Give P(Bin(n, alpha) <= lost), exact for losses of 0 or 1, one question per image.

    Args:
        lost: number of losses.
        n: number of images.
        alpha: the bound, strictly between 0 and 1.

    Returns:
        A p-value in (0, 1].

    59 images without a loss are just enough to prove a risk of at most 5 %:

    >>> round(binomial_p_value(0, 59, alpha=0.05), 4)
    0.0485
    """
    return float(bdtr(lost, n, alpha))


def images_needed(alpha: float, delta: float, single: bool) -> int:
    """Count the images without which not even "no regression at all" proves the bound.

    Args:
        alpha: bound on the risk.
        delta: chance that the bound does not hold.
        single: whether every image has just one question.

    Raises:
        ValueError: if a level is not strictly between 0 and 1, or too strict for any real split.
    """
    if not (0 < alpha < 1 and 0 < delta < 1):
        raise ValueError(f"alpha and delta must lie strictly between 0 and 1, got {alpha}, {delta}")
    # The capital of a lossless gambler grows by the same factor with every image.
    # In logarithms that stay exact where alpha is next to 0.
    growth = -math.log1p(-alpha) if single else math.log1p(_BOLDEST * alpha / (1 - alpha))
    # Compared before it is rounded up: the quotient may be beyond any integer.
    count = -math.log(delta) / growth * (1 - 1e-12) if growth else math.inf
    if count > _MOST_IMAGES:
        raise ValueError(f"alpha {alpha:g} would need {count:.3g} images; ask for a larger alpha")
    return math.ceil(count)
