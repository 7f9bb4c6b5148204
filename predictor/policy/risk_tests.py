"""A test of "the mean excess of images is above 0", valid at any number of images.

Images are independent draws, their questions are not: there is one number per image, what it loses
beyond the bound. Losses may be set off against gains, so an excess has a range.

Source: Waudby-Smith and Ramdas 2023, Estimating means of bounded random variables by betting
    (arXiv 2010.09686); the average of several bets is their section 4.
"""

import math

import numpy as np

from predictor.data import FloatArray

_BOLDEST = 0.95
"""Share of the largest legal bet; the whole of it could lose everything on one image."""

_MOST_IMAGES = 1_000_000


def list_bets(images: int, bounds: tuple[float, float], delta: float) -> FloatArray:
    """List bets that suit any spread of the excesses.

    The best bet against a mean that can just be told from 0 is sqrt(-2 ln delta / (n v)), where the
    variance v is not known. It is at most -lowest * highest, so the list ends there.

    Args:
        images: number of images n.
        bounds: lowest and highest excess that an image may have.
        delta: the level of the test.

    Returns:
        Bets, each half of the one before, at least one.
    """
    lowest, highest = bounds
    boldest = _BOLDEST / highest
    smallest = math.sqrt(-2 * math.log(delta) / (images * -lowest * highest))
    return boldest * 0.5 ** np.arange(1 + math.ceil(math.log2(max(boldest / smallest, 1))))


def p_value(excess: FloatArray, bounds: tuple[float, float], delta: float) -> FloatArray:
    """Test "the mean excess is above 0" for independent excesses within bounds.

    Gamblers bet against that at fair odds, image after image, each with a bet of their own; if it
    is true, their mean capital ever exceeds 1/p with a chance of at most p (Ville's inequality).
    Images of an excess of 0 change nothing.

    Args:
        excess: one number per image, in an order that does not depend on them [..., i].
        bounds: lowest and highest excess that an image may have; the highest alone has to hold for
            the test to be valid.
        delta: the level of the test; it only sizes the bets.

    Returns:
        P-values in [0, 1] [...].
    """
    bets = list_bets(excess.shape[-1], bounds, delta)
    # A capital beyond the largest float is as good as an infinite one.
    with np.errstate(over="ignore"):
        capital = np.zeros(excess.shape)
        for bet in bets:
            capital += np.cumprod(1 - bet * excess, axis=-1)
    return np.asarray(1 / np.maximum(capital.max(axis=-1) / len(bets), 1.0))


def images_needed(gain: float, bounds: tuple[float, float], delta: float) -> int:
    """Count the images without which not even "no loss at all" proves the bound.

    Args:
        gain: how far the excess of a lossless image is below 0, on average.
        bounds: lowest and highest excess that an image may have.
        delta: the level of the test.

    Raises:
        ValueError: if it is more than any real split has.

    95 % confidence that at most 5 % of the questions are lost, one question an image:

    >>> images_needed(0.05, bounds=(-0.05, 0.95), delta=0.05)
    62
    """
    least, most = 0, _MOST_IMAGES  # least is too few
    if not _proves(most, gain, bounds, delta):
        raise ValueError(
            f"so tight a bound, at delta {delta:g}, would need more than {_MOST_IMAGES} images; "
            "ask for a larger alpha"
        )
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if _proves(middle, gain, bounds, delta) else (middle, most)
    return most


def _proves(images: int, gain: float, bounds: tuple[float, float], delta: float) -> bool:
    """Tell whether so many images, each so far below the bound, prove it."""
    bets = list_bets(images, bounds, delta)
    # In logarithms, since a capital may be beyond any float.
    capital = np.logaddexp.reduce(images * np.log1p(bets * gain)) - math.log(len(bets))
    return bool(capital >= -math.log(delta))
