"""Judges: what an answer to a question is worth, between 0 and 1.

What this is not: a place for metrics that need another model. A judge sees one answer and the
question it belongs to, and says besides the score whether the answer could be read at all.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from labels.questions import LETTERS, Question
from labels.vqa import soft_accuracy

RELATIVE_TOLERANCE = 0.05
LEAST_VQA_ANSWERS = 4  # each answer is left out once and three more must match for full marks
ANSWER_PREFIX = re.compile(r"^(?:the\s+)?(?:correct\s+)?answer\s*(?:is|:)\s*:?\s*", re.IGNORECASE)
LETTER_ALONE = re.compile(r"^\(?([A-Za-z])\)?[.):]?$")
LETTER_FIRST = re.compile(r"^(?:\(([A-Z])\)|([A-Z])[.):])\s+\S")
NUMBER = re.compile(r"^[+-]?(?:\d+(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Score:
    """What a judge says of one answer.

    Attributes:
        score: how right it is, in [0, 1].
        parse_ok: whether the judge could read it; False also means a score of 0.
    """

    score: float
    parse_ok: bool


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


def judge_vqa(answer: str, question: Question) -> Score:
    """Score by agreement with people, see `labels.vqa.soft_accuracy`.

    Args:
        answer: what the model said.
        question: what it was asked, with the answers of (officially ten) people.

    Returns:
        A score in [0, 1]; an empty answer counts as unreadable.
    """
    if not answer.strip():
        return Score(0.0, False)
    return Score(soft_accuracy(answer, question.answers), True)


def judge_choice(answer: str, question: Question) -> Score:
    """Read a letter or an option's text and compare with the right option.

    Args:
        answer: what the model said: "B", "(b)", "B. a cat", "a cat", "The answer is B."
        question: what it was asked; its answers are option texts or letters.

    Returns:
        A score of 0 or 1; an answer that names no option is unreadable.
    """
    picked = _read_option(answer, question.choices)
    if picked is None:
        return Score(0.0, False)
    return Score(float(picked in _right_options(question)), True)


def judge_relaxed(answer: str, question: Question) -> Score:
    """Accept numbers within 5 % of the right one, and other answers if they match exactly.

    Args:
        answer: what the model said; thousands separators and a currency sign are allowed.
        question: what it was asked.

    Returns:
        A score of 0 or 1; no number where every accepted answer is one is unreadable.

    Source: relaxed accuracy of ChartQA (arXiv 2203.10244, section 4).
    """
    given = _read_number(answer)
    targets = [_read_number(accepted) for accepted in question.answers]
    near = given is not None and any(_is_near(given, target) for target in targets)
    right = near or judge_exact(answer, question).score == 1.0
    wants_number = all(target is not None for target in targets)
    return Score(float(right), bool(answer.strip()) and not (wants_number and given is None))


METRICS: dict[str, Judge] = {
    "exact": judge_exact,
    "vqa": judge_vqa,
    "choice": judge_choice,
    "relaxed": judge_relaxed,
}


def judge(answer: str, question: Question) -> Score:
    """Judge an answer with the metric that its question names.

    Args:
        answer: what the model said.
        question: what it was asked.

    Returns:
        The score.
    """
    return METRICS[question.metric](answer, question)


def check_judgeable(question: Question) -> None:
    """Refuse a question whose answers could never be judged.

    Args:
        question: the question to look at.

    Raises:
        ValueError: if the metric is unknown, or the answers do not fit it.
    """
    sample = f"sample {question.sample_id!r}"
    if question.metric not in METRICS:
        known = ", ".join(METRICS)
        raise ValueError(f"{sample} has the unknown metric {question.metric!r}; known: {known}")
    if question.metric == "vqa" and len(question.answers) < LEAST_VQA_ANSWERS:
        raise ValueError(
            f"{sample} has {len(question.answers)} answer(s), but metric vqa wants the ten of its "
            f"people (at least {LEAST_VQA_ANSWERS}); use metric exact for a single answer"
        )
    if question.metric == "choice" and len(question.choices) < 2:
        raise ValueError(f"{sample} has metric choice but fewer than two choices")
    if question.metric == "choice" and not _right_options(question):
        raise ValueError(
            f"{sample}: answer {question.answers[0]!r} is neither a letter nor the text of one of "
            f"its {len(question.choices)} choices"
        )


def _right_options(question: Question) -> set[int]:
    # Text goes first: a data set that stores texts may well have an option called "A".
    options: set[int] = set()
    for accepted in question.answers:
        index = _match_text(accepted, question.choices)
        if index is None:
            index = _match_letter(LETTER_ALONE, accepted, len(question.choices))
        options |= {index} if index is not None else set()
    return options


def _read_option(answer: str, choices: tuple[str, ...]) -> int | None:
    text = ANSWER_PREFIX.sub("", answer.strip())
    for pattern in (LETTER_ALONE, LETTER_FIRST):
        index = _match_letter(pattern, text, len(choices))
        if index is not None:
            return index
    return _match_text(text, choices)


def _match_letter(pattern: re.Pattern[str], text: str, n_choices: int) -> int | None:
    found = pattern.match(text.strip())
    if found is None:
        return None
    index = LETTERS.index(next(group for group in found.groups() if group).upper())
    return index if index < n_choices else None


def _match_text(text: str, choices: tuple[str, ...]) -> int | None:
    wanted = normalise_text(text)
    for index, choice in enumerate(choices):
        if normalise_text(choice) == wanted:
            return index
    return None


def _read_number(text: str) -> float | None:
    bare = text.strip().rstrip(".").strip().lstrip("$€£").strip()
    percent = bare.endswith("%")
    bare = bare.rstrip("%").strip()
    if not NUMBER.match(bare):
        return None
    value = float(bare.replace(",", ""))
    return value / 100 if percent else value


def _is_near(given: float, target: float | None) -> bool:
    if target is None:
        return False
    return abs(given - target) <= RELATIVE_TOLERANCE * abs(target) + 1e-12
