"""Multiple choice: which option an answer names, by its letter or by its text.

What this is not: a guess. An answer that names no option is unreadable and scores 0, where some
benchmarks draw an option at random.
"""

import re
from functools import partial

from labels.metrics.score import UNREADABLE, Score, normalise_text
from labels.questions import LETTERS, Question

BY_OPTION = ("choice", "mmmu")
"""Metrics whose answers name an option, where a question has options."""

ANSWER_PREFIX = re.compile(r"^(?:the\s+)?(?:correct\s+)?answer\s*(?:is|:)\s*:?\s*", re.IGNORECASE)
LETTER_ALONE = re.compile(r"^\(?([A-Za-z])\)?[.):]?$")
# Only capitals: "a." or "i)" may count the points of a list.
LETTER_FIRST = re.compile(r"^(?:\(([A-Z])\)|([A-Z])[.):])\s+\S")


def score_choice(answer: str, question: Question) -> Score:
    """Read a letter or an option's text and compare with the right option.

    Args:
        answer: what the model said: "B", "(b)", "B. a cat", "a cat", "The answer is B."
        question: what it was asked; its answers are option texts or letters.

    Returns:
        A score of 0 or 1; an answer that names no option is unreadable.

    >>> which = Question("q", "i", "What is it?", ("a cat",), "choice", ("a dog", "a cat"))
    >>> score_choice("The answer is B.", which)
    Score(score=1.0, parse_ok=True)
    >>> score_choice("I am not sure", which)
    Score(score=0.0, parse_ok=False)
    """
    picked = read_option(answer, question.choices)
    if picked is None:
        return UNREADABLE
    right = right_options(question)
    text = ANSWER_PREFIX.sub("", answer.strip())
    is_letter = LETTER_ALONE.match(text) or LETTER_FIRST.match(text)
    if not is_letter or _match_whole(text, question.choices) is not None:
        right = _same_text(question.choices, right)  # by its text it named all that are equal
    return Score(float(picked in right), True)


def _same_text(choices: tuple[str, ...], options: set[int]) -> set[int]:
    texts = {choices[option] for option in options}
    return {place for place, choice in enumerate(choices) if choice in texts}


def right_options(question: Question, lettered: bool = False) -> set[int]:
    """Tell the right options: by number, or where none was given as the accepted answers say.

    Args:
        question: the question.
        lettered: whether an answer that is a letter means the option of that letter, as evaluations
            log it. Else text goes first: a data set may well have an option called "A".

    Returns:
        Numbers of the right options, from 0; empty if no answer names one.
    """
    if question.right:
        return set(question.right)
    readers = (_match_text, partial(_match_letter, LETTER_ALONE))
    found = [
        [reader(accepted, question.choices) for reader in readers] for accepted in question.answers
    ]
    pairs = [pair[::-1] if lettered else pair for pair in found]
    named = (next((index for index in pair if index is not None), None) for pair in pairs)
    return {index for index in named if index is not None}


def read_option(answer: str, choices: tuple[str, ...]) -> int | None:
    """Read which option an answer names.

    Returns:
        Number of the option, from 0, or None if it names none.
    """
    text = ANSWER_PREFIX.sub("", answer.strip())
    # A letter goes first here, as prompts ask for one; "A" alone may also be an option's text.
    readers = (
        partial(_match_letter, LETTER_ALONE),
        _match_whole,  # as "C. elegans", which is no letter
        partial(_match_letter, LETTER_FIRST),
        _match_text,
    )
    found = (reader(text, choices) for reader in readers)
    return next((index for index in found if index is not None), None)


def _match_letter(pattern: re.Pattern[str], text: str, choices: tuple[str, ...]) -> int | None:
    match = pattern.match(text.strip())
    if match is None:
        return None
    # Of the alternatives of a pattern, one group has the letter.
    letter = next(group for group in match.groups() if group)
    index = LETTERS.index(letter.upper())
    return index if index < len(choices) and choices[index] else None


def _match_whole(text: str, choices: tuple[str, ...]) -> int | None:
    return choices.index(text) if len(text) > 1 and text in choices else None


def _match_text(text: str, choices: tuple[str, ...]) -> int | None:
    # The text as it is goes first: options may differ in capitals or quotes alone.
    for fold in (str.strip, normalise_text):
        wanted = fold(text)
        # The whole text: an option inside a sentence could be one that is ruled out.
        for index, choice in enumerate(choices):
            if choice and fold(choice) == wanted:
                return index
    return None
