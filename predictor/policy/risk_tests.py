"""A test of "the mean excess of images is above 0", valid at any number of images.

Images are independent draws, their questions are not: there is one number per image, what it loses
beyond the bound. One test serves every loss, whole or graded, with gains or without.

A gambler bets against the hypothesis, image after image, at fair odds; to reject it at level delta
is to reach 1 / delta times the first capital. Any bet from 0 to 1 / (1 - alpha) that knows earlier
images alone leaves the test valid: where the mean excess is at least 0 the capital is a nonnegative
supermartingale, so it ever gets there with a chance of at most delta (Ville's inequality). How
big the bets are decides only how often a true claim is proven.

Source: Waudby-Smith and Ramdas 2023, Estimating means of bounded random variables by betting
    (arXiv 2010.09686), for tests by betting; Browne 1999, Reaching goals by a deadline (Advances in
    Applied Probability 31), for the bet that reaches a goal most often; Voracek and Orabona 2025,
    STaR-Bets (arXiv 2505.22422), for bets that look at the goal and the images that are left.
"""

import math

import numpy as np
from scipy.special import ndtri

from predictor.data import FloatArray

TEST = "bets to reach 1 / delta, image after image by hash"
"""Name of the test, kept in certificates: another one gives other p-values."""

_GUESSED_IMAGES = 10
"""Images that the first guess of the spread counts as much as."""

_AIM = 1.02
"""Where bets aim, in goals; they shrink so much near it that the goal itself might be missed."""

_MOST_IMAGES = 1_000_000


def choose_bet(share: FloatArray, spread: FloatArray | float, left: int) -> FloatArray:
    """Choose the bet that reaches the goal most often, were excesses sums of many small ones.

    It is that of a z-test played image by image: modest while all goes well, bold when behind. At
    first it is about that of a fixed bet; a fixed one cannot catch up after a bad start.

    Args:
        share: capital over what it shall become [r].
        spread: mean square of an excess [r].
        left: images to come, this one too.

    Returns:
        Bets, above 0 [r].
    """
    share = np.clip(share, 1e-300, 1 - 1e-9)
    density = np.exp(-0.5 * ndtri(share) ** 2) / math.sqrt(2 * math.pi)
    with np.errstate(divide="ignore", over="ignore"):  # no spread: as bold as is legal
        return np.asarray(density / (share * np.sqrt(left * spread)))


def p_value(excess: FloatArray, alpha: float, delta: float) -> FloatArray:
    """Test "the mean excess is above 0" for independent excesses.

    Args:
        excess: one number per image, at most 1 - alpha, in an order that does not depend on them
            [..., i].
        alpha: the bound beyond which losses are counted.
        delta: the level of the test, for which the bets are made.

    Returns:
        P-values in (0, 1], at most delta where the goal was reached and the bets ended [...].
    """
    rows = excess.reshape(-1, excess.shape[-1])
    images = rows.shape[1]
    boldest = 1 / (1 - alpha)
    share = np.full(len(rows), delta)
    best = share.copy()
    # Guessed to be whole images, lost or not; the images that come tell.
    squares = np.full(len(rows), _GUESSED_IMAGES * alpha * (1 - alpha))
    playing = np.arange(len(rows))
    for seen, now in enumerate(np.ascontiguousarray(rows.T)):
        if not seen % 20:  # since to drop rows takes time, too
            playing = playing[(best[playing] < 1) & (share[playing] > 0)]
        if not len(playing):
            break
        held, lost = share[playing], now[playing]
        spread = squares[playing] / (_GUESSED_IMAGES + seen)
        bet = choose_bet(held / _AIM, spread, images - seen)
        # Rounding may find a little more than all of it lost.
        share[playing] = held * np.maximum(1 - np.minimum(bet, boldest) * lost, 0)
        squares[playing] += lost**2
        best[playing] = np.maximum(best[playing], share[playing])
    return np.asarray(delta / best).reshape(excess.shape[:-1])


def images_needed(gain: float, alpha: float, delta: float) -> int:
    """Count the images without which not even "no loss at all" proves the bound.

    Args:
        gain: how far the excess of a lossless image is below 0, on average.
        alpha: the bound beyond which losses are counted.
        delta: the level of the test.

    Raises:
        ValueError: if it is more than any real split has.

    95 % confidence that at most 5 % of the questions are lost, one question an image:

    >>> images_needed(0.05, alpha=0.05, delta=0.05)
    59
    """
    # The boldest bets all along; no valid test does with fewer.
    images = -math.log(delta) / math.log1p(gain / (1 - alpha))
    if images > _MOST_IMAGES:
        raise ValueError(
            f"so tight a bound, at delta {delta:g}, would need more than {_MOST_IMAGES} images; "
            "ask for a larger alpha"
        )
    return math.ceil(images)
