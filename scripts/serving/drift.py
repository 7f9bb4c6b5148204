"""Whether the scales that are chosen now are those that the router chose on calibration."""

from collections import Counter, deque
from collections.abc import Mapping

WINDOW = 1000
"""Answers that are looked back at."""


class ScaleDrift:
    """Compares the scales of the last answers with those of the calibration split.

    Only answers at the server's own operating point count, and none whose input was unfamiliar:
    the calibration split's histogram was drawn without that fallback.

    Attributes:
        expected: share of questions at each scale, on the calibration split.

    >>> drift = ScaleDrift({36: 0.5, 576: 0.5})
    >>> for scale in (36, 36, 36, 576):
    ...     drift.add(scale)
    >>> drift.distance()
    0.25
    """

    def __init__(self, expected: Mapping[int, float], window: int = WINDOW) -> None:
        """Begin with no answers.

        Args:
            expected: share of questions at each scale.
            window: answers to look back at.
        """
        self.expected = expected
        self._last: deque[int] = deque(maxlen=window)

    def __len__(self) -> int:
        """Count the answers that are looked back at."""
        return len(self._last)

    def add(self, scale: int) -> None:
        """Note the scale of an answer."""
        self._last.append(scale)

    def distance(self) -> float:
        """Give the total variation distance of the two histograms, NaN without answers.

        Returns:
            The share of answers that would need another scale to have the calibration split's
            histogram, from 0 to 1. By chance alone it is about sqrt(scales / (6 answers)).
        """
        if not self._last:
            return float("nan")
        counts = Counter(self._last)
        scales = {*self.expected, *counts}
        shares = ((counts[k] / len(self._last), self.expected.get(k, 0.0)) for k in scales)
        return sum(abs(now - then) for now, then in shares) / 2
