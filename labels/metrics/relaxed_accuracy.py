"""Relaxed accuracy, for numbers read off charts.

What this is not: a reader of sentences; an answer is a number as a whole or it is none.
"""

import re

from labels.metrics.score import Score, score_exact
from labels.questions import Question

RELATIVE_TOLERANCE = 0.05
NUMBER = re.compile(r"^[+-]?(?:\d+(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$", re.IGNORECASE)


def score_relaxed(answer: str, question: Question) -> Score:
    """Accept numbers within 5 % of the right one, and other answers if they match exactly.

    Thousands separators and a currency sign are allowed.

    Returns:
        A score of 0 or 1; an answer that is no number, where all accepted ones are, is unreadable.

    Source: relaxed accuracy of ChartQA (arXiv 2203.10244, section 4).

    >>> chart = Question("q", "i", "How much?", ("1000",), "relaxed")
    >>> score_relaxed("$1,020", chart), score_relaxed("1100", chart)
    (Score(score=1.0, parse_ok=True), Score(score=0.0, parse_ok=True))
    """
    given = _read_number(answer)
    # A target that is no number is None, and only an exact match is right.
    targets = [_read_number(accepted) for accepted in question.answers]
    near = given is not None and any(_is_near(given, target) for target in targets)
    right = near or score_exact(answer, question).score == 1.0
    wants_number = all(target is not None for target in targets)
    return Score(float(right), bool(answer.strip()) and not (wants_number and given is None))


def _read_number(text: str) -> float | None:
    bare = text.strip().rstrip(".").strip().lstrip("$€£").strip()
    digits = bare.rstrip("%").strip()
    if not NUMBER.match(digits):
        return None
    value = float(digits.replace(",", ""))
    # 5 % and 0.05 are the same number.
    return value / 100 if bare.endswith("%") else value


def _is_near(given: float, target: float | None) -> bool:
    if target is None:
        return False
    # The last term lets rounding errors pass, also where the target is 0.
    return abs(given - target) <= RELATIVE_TOLERANCE * abs(target) + 1e-12
