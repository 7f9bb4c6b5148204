"""ANLS, for short texts read off documents: it forgives a few wrong letters.

What this is not: a measure of meaning. With half the letters wrong, an answer scores 0.
"""

from labels.metrics.score import UNREADABLE, Score
from labels.questions import Question

LEAST_SIMILARITY = 0.5


def score_anls(answer: str, question: Question) -> Score:
    """Score by likeness to the most similar accepted answer (ANLS).

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

    >>> edit_distance("kitten", "sitting")
    3
    """
    # One row of the Levenshtein table at a time: prefixes of `first` down, of `second` across.
    above = list(range(len(second) + 1))
    for row, letter in enumerate(first, start=1):
        current = [row]
        for column, other in enumerate(second, start=1):
            replaced = above[column - 1] + (letter != other)
            # Replace (or keep), delete, insert.
            current.append(min(replaced, above[column] + 1, current[-1] + 1))
        above = current
    return above[-1]


def _similarity(answer: str, accepted: str) -> float:
    given, wanted = (" ".join(text.lower().split()) for text in (answer, accepted))
    # Lengths of the texts as they came, for the reason given in `score_anls`.
    return 1 - edit_distance(given, wanted) / max(len(answer), len(accepted))
