"""Luck in outcomes: classes of questions within which only luck decides.

A class has a probability of being right at each scale, and within it outcomes at all scales and
repeats are independent. The classes are fitted by EM, and there are as many as BIC asks for.

Repeats show the probabilities. A single run does not: it is also explained by questions that are
always right or always wrong, which leaves nothing to luck. So of a single run no more is explained
than must be: few classes, and none in which a larger scale is less likely to be right. A choice
that knows these classes then gains the least that the table allows, not the most.

Few repeats do not show all either: two of a scale give a mean and a square, while two classes that
only this scale tells apart have three unknowns. So there too classes rise with the scale, unless
the outcomes speak for others: BIC decides, which counts probabilities that are alike as one.

Partial scores vary less than coins do: three times 0.3 is no coin that falls right in 30 %. How
much less, repeats show, and a repeat tells as much more of the class (a quasi-likelihood).

Source: latent class analysis (Lazarsfeld and Henry 1968), EM (Dempster, Laird and Rubin 1977), BIC
    (Schwarz 1978), the design effect (Kish 1965) for questions that share an image,
    quasi-likelihood (Wedderburn 1974).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labels.oracle import CORRECT
from predictor.data import FloatArray, IntArray, NameArray
from predictor.routing_metrics.bootstrap import Resamples

MOST_CLASSES = 32

PATIENCE = 2
"""Classes that are added without a better BIC before the search ends."""

SEARCH = 300, 1e-7
"""Most rounds of EM, and the gain in log-likelihood per question that ends it, to compare fits."""

SETTLE = 2000, 1e-10
"""The same for the fit that is kept."""

LEAST_SPREAD = 1e-3
"""Least variance of partial scores that is believed, as a share of a coin's."""

LEVELS = 10
"""Steps of partial scores by which classes are started apart."""

SURE = 1e-4
"""Nearest that a probability comes to 0 or 1 where a likelihood is taken."""


@dataclass(frozen=True)
class Patterns:
    """The different rows of a table with repeats, which are few.

    Attributes:
        counts: repeats that were right, or the sum of their scores [u, s].
        tokens: visual tokens [u, s].
        repeats: number of repeats.
        owner: pattern of each question [n].
        spread: variance of a score within a question, as a share of a coin's; None where all are
            right or wrong, which are coins.
    """

    counts: FloatArray
    tokens: FloatArray
    repeats: int
    owner: IntArray
    spread: float | None = None

    @property
    def shares(self) -> FloatArray:
        """How often each pattern occurs, as a share of the questions [u]."""
        return np.bincount(self.owner, minlength=len(self.counts)) / len(self.owner)

    def weigh_draws(self, resamples: Resamples) -> FloatArray:
        """Count how often each pattern occurs in each draw [r, u]."""
        count = len(self.counts)
        return np.array(
            [
                np.bincount(self.owner, weights[resamples.image_of_row], minlength=count)
                for weights in resamples.weights
            ]
        )


def is_graded(scores: FloatArray) -> bool:
    """Tell whether some scores are neither right nor wrong."""
    return bool(((scores > 0) & (scores < 1)).any())


def measure_spread(outcomes: FloatArray) -> float | None:
    """Measure how much scores of a question vary, as a share of what coins with its mean would.

    Args:
        outcomes: scores, asked k times [n, k, s].

    Returns:
        The share, at least `LEAST_SPREAD`; None where all scores are right or wrong, which gives 1.
        Of questions that were asked once nothing is known: 1 too.
    """
    if not is_graded(outcomes):
        return None
    repeats = outcomes.shape[1]
    if repeats == 1:
        return 1.0
    mean = outcomes.mean(axis=1)
    coins = (mean * (1 - mean)).sum() * repeats / (repeats - 1)
    return max(float(outcomes.var(axis=1, ddof=1).sum() / coins), LEAST_SPREAD)


def list_patterns(
    outcomes: FloatArray, tokens: FloatArray, spread: float | None = None
) -> Patterns:
    """Find the different rows of a table.

    Args:
        outcomes: scores in [0, 1], asked k times [n, k, s].
        tokens: visual tokens [n, s].
        spread: what `measure_spread` gives; measured here if left out.

    Raises:
        ValueError: if outcomes are not of this form.
    """
    scores = np.asarray(outcomes, np.float64)
    if scores.ndim != 3 or scores.size == 0 or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"expected scores in [0, 1] of shape [n, k, s], got {scores.shape}")
    s = scores.shape[2]
    rows = np.hstack((scores.sum(axis=1), np.broadcast_to(tokens, (len(scores), s))))
    unique, owner = np.unique(rows, axis=0, return_inverse=True)
    spread = measure_spread(scores) if spread is None else spread
    owner = owner.ravel().astype(np.int64)
    return Patterns(unique[:, :s], unique[:, s:], scores.shape[1], owner, spread)


@dataclass(frozen=True)
class Classes:
    """Classes of questions, one set or one for each of r draws.

    Attributes:
        right: probability of being right [c, s] or [r, c, s].
        share: share of the questions [c] or [r, c].
        rising: whether no larger scale may be less likely to be right.
    """

    right: FloatArray
    share: FloatArray
    rising: bool = True

    def weigh(self, patterns: Patterns) -> FloatArray:
        """Give the probability of each class for each pattern [u, c], or [r, u, c]."""
        return np.swapaxes(_expect(self, patterns)[0], -1, -2)

    def __iter__(self) -> Iterator["Classes"]:
        """Give the set of each draw."""
        pairs = zip(self.right, self.share, strict=True)
        return (Classes(*pair, self.rising) for pair in pairs)


def fit_classes(patterns: Patterns, image_ids: NameArray) -> Classes:
    """Fit the classes of a table.

    Args:
        patterns: the table's rows.
        image_ids: image of each question [n].

    Returns:
        One class where nothing shows that questions differ.
    """
    one = climb(patterns, _start(patterns, 1), patterns.shares, *SEARCH)
    size = _effective_size(_expect(one, patterns)[1][patterns.owner], image_ids)
    found = [_search(patterns, size, rising=True)]
    if patterns.repeats > 1:
        found.append(_search(patterns, size, rising=False))
    best, _ = min(found, key=lambda pair: pair[1])
    return climb(patterns, best, patterns.shares, *SETTLE)


def _search(patterns: Patterns, size: float, rising: bool) -> tuple[Classes, float]:
    """Search for the number of classes that BIC asks for; give them, and their BIC."""
    best, best_cost = _start(patterns, 1), np.inf
    for count in range(1, MOST_CLASSES + 1):
        start = replace(_start(patterns, count), rising=rising)
        classes = climb(patterns, start, patterns.shares, *SEARCH)
        if len(classes.share) < count:
            break  # no more different patterns to start from
        likelihood = float(patterns.shares @ _expect(classes, patterns)[1])
        cost = -2 * size * likelihood + _count_free(classes, patterns) * np.log(size)
        if cost < best_cost:
            best, best_cost = classes, cost
        elif count - len(best.share) >= PATIENCE:
            break
    return best, best_cost


def _count_free(classes: Classes, patterns: Patterns) -> int:
    """Count the numbers that were fitted."""
    count: int = len(classes.share)
    if patterns.repeats == 1 or not classes.rising:
        # All of a single run, of which no more is to be explained than must be.
        return count + classes.right.size - 1
    return count - 1 + sum(len(np.unique(row.round(6))) for row in classes.right)


def climb(
    patterns: Patterns, start: Classes, weights: FloatArray, rounds: int, least: float
) -> Classes:
    """Improve classes by EM until the likelihood stands still.

    Args:
        patterns: the table's rows.
        start: one set of classes.
        weights: how often each pattern counts [u], or in each draw [r, u].
        rounds: most rounds.
        least: gain in mean log-likelihood that is worth another round.

    Returns:
        One set, or one per draw.
    """
    shares = weights / weights.sum(axis=-1, keepdims=True)
    shape = shares.shape[:-1]
    classes = Classes(
        np.broadcast_to(start.right, shape + start.right.shape),
        np.broadcast_to(start.share, shape + start.share.shape),
        start.rising,
    )
    reached = np.full(shape, -np.inf)
    for _ in range(rounds):
        belongs, likelihood = _expect(classes, patterns)
        mean = (likelihood * shares).sum(axis=-1)
        if np.all(mean - reached < least):
            break
        reached = mean
        joint = belongs * shares[..., None, :]  # [..., c, u]
        share = joint.sum(axis=-1)
        right = joint @ patterns.counts / patterns.repeats / np.maximum(share, 1e-12)[..., None]
        classes = Classes(rise(right) if start.rising else right, share, start.rising)
    return classes


def rise(values: FloatArray) -> FloatArray:
    """Give the nearest values that never fall along the last axis [..., s].

    >>> rise(np.array([0.0, 0.5, 0.3, 1.0]))
    array([0. , 0.4, 0.4, 1. ])
    """
    s = values.shape[-1]
    sums = np.concatenate((np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)), axis=-1)
    risen = np.empty(values.shape)
    for k in range(s):
        # The largest over starts a <= k of the smallest mean of values a..b, b >= k.
        means = [
            np.min([(sums[..., b] - sums[..., a]) / (b - a) for b in range(k + 1, s + 1)], axis=0)
            for a in range(k + 1)
        ]
        risen[..., k] = np.max(means, axis=0)
    return risen


def _start(patterns: Patterns, count: int) -> Classes:
    """Start from the most frequent patterns of right and wrong."""
    means = patterns.counts / patterns.repeats
    whole = means >= CORRECT if patterns.spread is None else np.round(means * LEVELS) / LEVELS
    kinds, owner = np.unique(whole, axis=0, return_inverse=True)
    share = np.bincount(owner.ravel(), weights=patterns.shares)
    most = np.argsort(-share, kind="stable")[:count]
    # Not 0 and 1, which EM would never leave.
    return Classes(np.clip(kinds[most], 0.1, 0.9), share[most] / share[most].sum())


def _expect(classes: Classes, patterns: Patterns) -> tuple[FloatArray, FloatArray]:
    """Give the probability of each class [..., c, u] and the log-likelihood [..., u]."""
    p = np.clip(classes.right, SURE, 1 - SURE)
    wrong = patterns.repeats - patterns.counts
    joint = np.log(p) @ patterns.counts.T + np.log1p(-p) @ wrong.T  # [..., c, u]
    joint = joint / (patterns.spread or 1.0)
    joint = joint + np.log(np.maximum(classes.share, 1e-300))[..., None]
    top = joint.max(axis=-2, keepdims=True)
    odds = np.exp(joint - top)
    total = odds.sum(axis=-2, keepdims=True)
    return odds / total, (np.log(total) + top)[..., 0, :]


def _effective_size(values: FloatArray, image_ids: NameArray) -> float:
    """Tell how many independent questions those that share images are worth."""
    _, image = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    centred = values - values.mean()
    alone = float(centred @ centred)
    together = float(np.sum(np.bincount(image, weights=centred) ** 2))
    # Never more than there are, as if questions of an image told more than those of several.
    return len(values) / max(together / alone, 1.0) if alone > 0 else float(len(values))


def draw_outcomes(classes: Classes, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw outcomes of questions of these classes, within which only luck decides [size, s]."""
    share = classes.share / classes.share.sum()
    of_row = random.choice(len(share), size=size, p=share)
    return (random.random((size, classes.right.shape[1])) < classes.right[of_row]).astype(float)
