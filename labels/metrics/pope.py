"""Yes or no as POPE scores it, and its precision and recall over a set.

What this is not: a reader of opinions; only the first sentence counts, and only its yes, no or not.
"""

import re
from collections.abc import Sequence

from labels.metrics.score import UNREADABLE, Score
from labels.questions import Question

WORD = re.compile(r"[a-z']+")


def score_yes_no(answer: str, question: Question) -> Score:
    """Compare an answer with the first accepted answer, which is yes or no.

    Returns:
        A score of 0 or 1; an answer with neither yes nor no is unreadable.
    """
    is_yes = read_yes_no(answer)
    if is_yes is None:
        return UNREADABLE
    return Score(float(is_yes == read_yes_no(question.answers[0])), True)


def read_yes_no(answer: str) -> bool | None:
    """Read yes or no off the first sentence; a no or not outweighs a yes.

    Returns:
        True for yes, False for no, None for neither.

    Source: the rule of POPE (arXiv 2305.10355, its published evaluation), which however takes
        everything without a no for a yes.
    """
    # Up to the first full stop.
    # Whole words: "none" or "yesterday" are neither no nor yes.
    sentence = answer.strip().lower().partition(".")[0]
    words = {word.strip("'") for word in WORD.findall(sentence)}
    if words & {"no", "not"}:
        return False
    return True if "yes" in words else None


def summarise_yes_no(answers: Sequence[str], questions: Sequence[Question]) -> dict[str, float]:
    """Measure precision and recall of "yes" over a set of questions.

    Args:
        answers: what the model said [n].
        questions: what it was asked [n].

    Returns:
        `precision` and `recall` of yes, their harmonic mean `f1`, and `yes_ratio`, the share of
        answers that say yes; 0 where there is nothing to divide. Unreadable answers do not
        count as yes.
    """
    answered = [read_yes_no(answer) is True for answer in answers]
    expected = [read_yes_no(question.answers[0]) is True for question in questions]
    # A hit is a yes where yes is right.
    hits = sum(a and e for a, e in zip(answered, expected, strict=True))
    return {
        "precision": hits / max(sum(answered), 1),
        "recall": hits / max(sum(expected), 1),
        "f1": 2 * hits / max(sum(answered) + sum(expected), 1),
        "yes_ratio": sum(answered) / max(len(answered), 1),
    }
