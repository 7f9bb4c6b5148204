"""The score of an answer, and the plain text comparison that several metrics share.

What this is not: all the metrics. There is one file per metric, and `registry.py` lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from labels.questions import Question


@dataclass(frozen=True)
class Score:
    """What a metric gives one answer.

    Attributes:
        score: how right the answer is, in [0, 1].
        parse_ok: whether the answer could be read; False also means a score of 0.
    """

    score: float
    parse_ok: bool


UNREADABLE = Score(0.0, False)

Metric = Callable[[str, Question], Score]
"""Scores an answer, given with the question that it belongs to."""


def normalise_text(text: str) -> str:
    """Fold case and blanks, and take quotes and final punctuation away.

    >>> normalise_text('  "Dark   RED". ')
    'dark red'
    """
    # Quotes twice, as they may stand inside the full stop or outside.
    return " ".join(text.casefold().split()).strip("\"'`").rstrip(".!,;:").strip("\"'` ")


def score_exact(answer: str, question: Question) -> Score:
    """Compare normalised texts; any of the accepted answers will do.

    Returns:
        A score of 0 or 1; an empty answer counts as unreadable.
    """
    given = normalise_text(answer)
    # An empty answer is never right, even if an accepted one is nothing but punctuation.
    right = any(normalise_text(accepted) == given for accepted in question.answers)
    return Score(float(right and bool(given)), bool(given))
