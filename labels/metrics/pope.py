"""Judging yes or no as POPE does, and its precision and recall over a set.

What this is not: a reader of opinions; only the first sentence counts, and only its yes, no or not.
"""

import re
from collections.abc import Sequence

from labels.metrics.score import UNREADABLE, Score
from labels.questions import Question

WORD = re.compile(r"[a-z']+")


def judge_yes_no(answer: str, question: Question) -> Score:
    """Compare yes with yes and no with no.

    Args:
        answer: what the model said.
        question: what it was asked; its first answer is yes or no.

    Returns:
        A score of 0 or 1; an answer with neither is unreadable.
    """
    said = read_yes_no(answer)
    if said is None:
        return UNREADABLE
    return Score(float(said == read_yes_no(question.answers[0])), True)


def read_yes_no(answer: str) -> bool | None:
    """Read yes or no off the first sentence; a no or not outweighs a yes.

    Args:
        answer: what the model said.

    Returns:
        True for yes, False for no, None for neither.

    Source: the rule of POPE (arXiv 2305.10355, its published evaluation), which however takes
        everything without a no for a yes.
    """
    words = set(WORD.findall(answer.strip().lower().partition(".")[0]))
    if words & {"no", "not"}:
        return False
    return True if "yes" in words else None


def summarise_yes_no(answers: Sequence[str], questions: Sequence[Question]) -> dict[str, float]:
    """Measure how well "yes" is said over a set of questions.

    Args:
        answers: what the model said [n].
        questions: what it was asked [n].

    Returns:
        `precision` and `recall` of yes, their harmonic mean `f1`, and `yes_ratio`, the share of
        answers that say yes; 0 where there is nothing to divide. Unreadable answers are no yes.
    """
    said = [read_yes_no(answer) is True for answer in answers]
    true = [read_yes_no(question.answers[0]) is True for question in questions]
    hits = sum(s and t for s, t in zip(said, true, strict=True))
    return {
        "precision": hits / max(sum(said), 1),
        "recall": hits / max(sum(true), 1),
        "f1": 2 * hits / max(sum(said) + sum(true), 1),
        "yes_ratio": sum(said) / max(len(said), 1),
    }
