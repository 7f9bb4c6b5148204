"""Judging MMMU: options where there are any, else a short text or number inside the answer.

What this is not: a guess. Where the official code draws an option at random for an answer that
names none, such an answer is unreadable here.
"""

import re

from labels.metrics.choice import judge_choice
from labels.metrics.score import UNREADABLE, Score
from labels.questions import Question

KEY_PHRASES = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")


NUMBER_PATTERNS = (
    r"-?\b\d{1,3}(?:,\d{3})+\b",  # with thousands
    r"-?\d+(?:\.\d+)?[eE][+-]?\d+",  # with an exponent
    r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])",
)


def judge_mmmu(answer: str, question: Question) -> Score:
    """Judge an option by `judge_choice`, an open answer by what its key phrases hold.

    Args:
        answer: what the model said.
        question: what it was asked.

    Returns:
        A score of 0 or 1; an empty answer, or one that names no option, is unreadable.

    Source: the open-answer rule of MMMU's evaluation (arXiv 2311.16502), rewritten.
    """
    if question.choices:
        return judge_choice(answer, question)
    if not answer.strip():
        return UNREADABLE
    found = _read_candidates(answer)
    wanted = [form for accepted in question.answers for form in _normalise(accepted)]
    return Score(float(any(_holds(said, wanted) for said in found)), True)


def _read_candidates(answer: str) -> list[str | float]:
    lines = answer.strip().strip(".").lower().split("\n")
    tails = [_take_tail(line, is_last=line is lines[-1]) for line in lines]
    keys = [tail for tail in tails if tail and tail not in tuple(":,.!?;'")] or ["\n".join(lines)]
    numbers = [number for key in keys for p in NUMBER_PATTERNS for number in re.findall(p, key)]
    return [form for text in (*keys, *numbers) for form in _normalise(text)]


def _take_tail(line: str, is_last: bool) -> str:
    """Return the shortest text that follows a key phrase, or nothing."""
    phrases = (*KEY_PHRASES, "=") if is_last else KEY_PHRASES
    tails = [line.split(phrase)[-1].strip() for phrase in phrases if phrase in line]
    return min(filter(None, tails), key=len, default="")


def _normalise(text: str) -> list[str | float]:
    bare = text.strip()
    try:
        return [round(float(bare.replace(",", "")), 2)]
    except ValueError:
        lowered = bare.lower()
    # A single letter would be found inside any word.
    return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


def _holds(said: str | float, wanted: list[str | float]) -> bool:
    if isinstance(said, float):
        return said in wanted
    return any(isinstance(form, str) and form in said for form in wanted)
