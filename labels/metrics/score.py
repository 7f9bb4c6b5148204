"""What a judge says of an answer, and the plain text comparison that several judges share.

What this is not: all the judges. They stand by family in `vqa.py`, `choice.py`, `yes_no.py`,
`numbers.py`, `documents.py` and `mmmu.py`, and `metrics.py` lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from labels.questions import Question


@dataclass(frozen=True)
class Score:
    """What a judge says of one answer.

    Attributes:
        score: how right it is, in [0, 1].
        parse_ok: whether the judge could read it; False also means a score of 0.
    """

    score: float
    parse_ok: bool


UNREADABLE = Score(0.0, False)


Judge = Callable[[str, Question], Score]


def normalise_text(text: str) -> str:
    """Fold case and blanks, and take quotes and final punctuation away.

    Args:
        text: an answer as it was given.

    Returns:
        The text to compare.
    """
    return " ".join(text.casefold().split()).strip("\"'`").rstrip(".!,;:").strip("\"'` ")


def judge_exact(answer: str, question: Question) -> Score:
    """Compare normalised texts; any of the accepted answers will do.

    Args:
        answer: what the model said.
        question: what it was asked.

    Returns:
        A score of 0 or 1; an empty answer counts as unreadable.
    """
    given = normalise_text(answer)
    right = any(normalise_text(accepted) == given for accepted in question.answers)
    return Score(float(right and bool(given)), bool(given))
