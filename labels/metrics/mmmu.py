"""MMMU: options where there are any, else a short text or number inside the answer.

What this is not: a guess. Where the official code draws an option at random for an answer that
names none, such an answer is unreadable here.
"""

import re
from collections.abc import Sequence

from labels.metrics.choice import score_choice
from labels.metrics.score import UNREADABLE, Score
from labels.questions import Question

KEY_PHRASES = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")

NUMBER_PATTERNS = (
    r"-?\b\d{1,3}(?:,\d{3})+\b",  # with thousands
    r"-?\d+(?:\.\d+)?[eE][+-]?\d+",  # with an exponent
    r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])",
)


def score_mmmu(answer: str, question: Question) -> Score:
    """Score an option by `score_choice`, an open answer by the text behind its key phrases.

    Returns:
        A score of 0 or 1; an empty answer, or one that names no option, is unreadable.

    Source: the open-answer rule of MMMU's evaluation (arXiv 2311.16502), rewritten.
    """
    if question.choices:
        return score_choice(answer, question)
    if not answer.strip():
        return UNREADABLE
    return Score(float(holds_answer(_read_candidates(answer), question.answers)), True)


def holds_answer(candidates: Sequence[str | float], answers: Sequence[str]) -> bool:
    """Tell whether what was read off an answer holds an accepted one.

    Args:
        candidates: texts, lower case, and numbers, to two digits.
        answers: the accepted answers.
    """
    wanted = [form for accepted in answers for form in _normalise(accepted)]
    return any(_holds(candidate, wanted) for candidate in candidates)


def _read_candidates(answer: str) -> list[str | float]:
    lines = answer.strip().strip(".").lower().split("\n")
    tails = [_take_tail(line, is_last=line is lines[-1]) for line in lines]
    # A tail that is a single punctuation mark says nothing.
    keys = [tail for tail in tails if tail and tail not in tuple(":,.!?;'")]
    keys = keys or ["\n".join(lines)]  # without a key phrase the whole answer counts
    numbers = []
    for key in keys:
        for pattern in NUMBER_PATTERNS:
            numbers += re.findall(pattern, key)
    return [form for text in (*keys, *numbers) for form in _normalise(text)]


def _take_tail(line: str, is_last: bool) -> str:
    """Return the shortest text that follows a key phrase, or nothing."""
    tail = ""
    for phrase in (*KEY_PHRASES, "=") if is_last else KEY_PHRASES:
        if phrase in line:
            rest = line.split(phrase)[-1].strip()
            # The shortest counts, even none: then the next phrase decides, as in the official code.
            tail = rest if not tail or len(rest) < len(tail) else tail
    return tail


def _normalise(text: str) -> list[str | float]:
    bare = text.strip()
    try:
        # Numbers are compared as numbers, to two digits.
        return [round(float(bare.replace(",", "")), 2)]
    except ValueError:
        lowered = bare.lower()
    # A single letter would be found inside any word.
    return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


def _holds(candidate: str | float, wanted: list[str | float]) -> bool:
    if isinstance(candidate, float):
        return candidate in wanted
    # Text is looked for inside the answer; numbers must be equal.
    return any(isinstance(form, str) and form in candidate for form in wanted)
