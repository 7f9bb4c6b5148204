"""Judging short texts read off documents: ANLS, which forgives a few wrong letters.

What this is not: a judge of meaning. Half the letters wrong, and the answer is worth nothing.
"""

from labels.metrics.score import UNREADABLE, Score
from labels.questions import Question

LEAST_SIMILARITY = 0.5


def judge_anls(answer: str, question: Question) -> Score:
    """Score by likeness to the most similar accepted answer (ANLS).

    Args:
        answer: what the model said.
        question: what it was asked.

    Returns:
        1 less the edit distance per letter of the longer text, 0 below 0.5; an empty answer counts
        as unreadable.

    Source: ANLS of DocVQA (arXiv 2007.00398, section 5), threshold 0.5. As in its published code,
        texts are compared without case and doubled blanks but their lengths count as they came.
    """
    if not answer.strip():
        return UNREADABLE
    best = max(_similarity(answer, accepted) for accepted in question.answers)
    return Score(best if best >= LEAST_SIMILARITY else 0.0, True)


def edit_distance(first: str, second: str) -> int:
    """Count the letters to insert, delete or replace to turn one text into the other.

    Args:
        first: a text.
        second: another.

    Returns:
        The Levenshtein distance.
    """
    above = list(range(len(second) + 1))
    for row, letter in enumerate(first, start=1):
        current = [row]
        for column, other in enumerate(second, start=1):
            replaced = above[column - 1] + (letter != other)
            current.append(min(replaced, above[column] + 1, current[-1] + 1))
        above = current
    return above[-1]


def _similarity(answer: str, accepted: str) -> float:
    given, wanted = (" ".join(text.lower().split()) for text in (answer, accepted))
    return 1 - edit_distance(given, wanted) / max(len(answer), len(accepted))
