"""What no valid certificate can beat: the least mean cost of choices that are safe everywhere.

A certificate that holds in every world holds in those that differ from this one just enough to
break the claim with a candidate and all cheaper ones. There it takes one of them with a chance of
at most delta; so in this world no more often than the most powerful test of that level tells the
two apart.

Source: Neyman and Pearson 1933, for the most powerful test; Csiszar 1975, I-divergence geometry of
    probability distributions, for the nearest world of a given mean: images reweighted
    exponentially in what they lose.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from predictor.data import FloatArray

_STEP = 1 / 100
"""Excesses are sorted into bins of this width; the limit holds for any width."""

_MIXTURES = 5
"""Ways to break a claim that are tried: in part by reweighting, in part by images that lose all."""


def least_cost(
    excess: "FloatArray", tokens: "FloatArray", images: int, delta: float, highest: float
) -> float:
    """Bound the mean cost of any valid certificate from below.

    Args:
        excess: excess of every image of the world with every choice [i, m, g].
        tokens: mean visual tokens of the choices [m].
        images: images of a calibration split.
        delta: chance that a claim may be broken.
        highest: excess of an image that loses all.

    Returns:
        Visual tokens per question; a split that is refused takes the dearest choice.
    """
    cheaper = np.argsort(-tokens, kind="stable")
    excess, tokens = excess[:, cheaper], tokens[cheaper]
    powers = np.array(
        [
            min(
                bound_power(excess[:, place:, family], images, delta, highest)
                for family in range(excess.shape[2])
            )
            for place in range(1, len(tokens))
        ]
    )
    # To take a choice or a cheaper one is no more likely than to take one before it.
    powers = np.minimum.accumulate(powers)
    return float(tokens[-1] + ((tokens[:-1] - tokens[1:]) * (1 - powers)).sum())


def bound_power(excess: "FloatArray", images: int, delta: float, highest: float) -> float:
    """Bound the chance to take the first of some choices or one of the others.

    Args:
        excess: excess of every image of the world with these choices [i, m].
        images: images of a calibration split.
        delta: chance to take one in a world where they all break the claim.
        highest: excess of an image that loses all.
    """
    steps = np.rint(excess[:, 0] / _STEP).astype(np.int64)
    steps -= steps.min()
    power = 1.0
    for weights, lost in _break(excess, steps, highest):
        # Whoever sees an image that loses all knows the world; a test errs where there is none.
        level = delta * (1 - lost) ** -images
        power = min(power, _most_powerful(steps, weights, images, level) if level < 1 else 1.0)
    return power


def _break(
    excess: "FloatArray", steps: "np.ndarray", highest: float
) -> "Iterator[tuple[FloatArray, float]]":
    """Make worlds where every choice breaks the claim.

    Yields:
        Weights of the images [i], and the share of images that lose all.
    """

    def reweight(strength: float) -> "tuple[FloatArray, float]":
        weights = np.exp(strength * (steps - steps.max()))
        weights /= weights.sum()
        return weights, float((weights @ excess).min())

    least, most = 0.0, 1e-3
    while reweight(most)[1] < 0 and most < 10:
        most *= 2
    for _ in range(30):
        middle = (least + most) / 2
        least, most = (least, middle) if reweight(middle)[1] >= 0 else (middle, most)
    for strength in np.linspace(0, most, _MIXTURES):
        weights, mean = reweight(strength)
        yield weights, max(-mean, 0.0) / (max(-mean, 0.0) + highest)


def _most_powerful(steps: "np.ndarray", weights: "FloatArray", images: int, level: float) -> float:
    """Give the power of the best test of a reweighted world against the world as it is.

    Few losses speak against it: the likelihood ratio falls with the sum of the steps.
    """
    here = np.bincount(steps) / len(steps)
    there = np.asarray(np.bincount(steps, weights), np.float64)
    at = np.arange(len(here))
    means = [world @ at for world in (here, there)]
    spread = np.sqrt(max(world @ at**2 - (world @ at) ** 2 for world in (here, there)) * images)
    # The sums lie on a circle that is wide enough for both worlds, cut open far from them.
    width = int(images * abs(means[1] - means[0]) + 16 * spread) + len(at)
    size = 1 << width.bit_length()
    cut = int(images * sum(means) / 2) - size // 2

    def add_up(world: "FloatArray") -> "FloatArray":
        sums = np.fft.irfft(np.fft.rfft(world, size) ** images, size)
        return np.roll(np.maximum(sums, 0), -(cut % size))

    known, feared = add_up(here), add_up(there)
    below = np.cumsum(feared)
    last = min(int(np.searchsorted(below, level)), size - 1)
    # The last sum that counts is let through with the chance that fills the level.
    part = (level - below[last] + feared[last]) / feared[last] if feared[last] > 0 else 1.0
    return float(min(known[:last].sum() + min(part, 1.0) * known[last], 1.0))
