"""Multiple choice: which option an answer names, by its letter or by its text.

What this is not: a guess. An answer that names no option is unreadable and scores 0, where some
benchmarks draw an option at random.
"""

import re

from labels.metrics.score import UNREADABLE, Score, normalise_text
from labels.questions import LETTERS, Question

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
    if not LETTER_ALONE.match(text) and not LETTER_FIRST.match(text):
        right = _same_text(question.choices, right)  # by its text it named all that are equal
    return Score(float(picked in right), True)


def _same_text(choices: tuple[str, ...], options: set[int]) -> set[int]:
    texts = {choices[option] for option in options}
    return {place for place, choice in enumerate(choices) if choice in texts}


def right_options(question: Question) -> set[int]:
    """Tell the right options: by number, or where none was given as the accepted answers say.

    Returns:
        Numbers of the right options, from 0; empty if no answer names one.
    """
    if question.right:
        return set(question.right)
    # Text goes first: a data set that stores texts may well have an option called "A".
    options: set[int] = set()
    for accepted in question.answers:
        index = _match_text(accepted, question.choices)
        if index is None:
            index = _match_letter(LETTER_ALONE, accepted, question.choices)
        options |= {index} if index is not None else set()
    return options


def read_option(answer: str, choices: tuple[str, ...]) -> int | None:
    """Read which option an answer names.

    Returns:
        Number of the option, from 0, or None if it names none.
    """
    text = ANSWER_PREFIX.sub("", answer.strip())
    # A letter goes first here, as prompts ask for one; "A" alone may also be an option's text.
    for pattern in (LETTER_ALONE, LETTER_FIRST):
        index = _match_letter(pattern, text, choices)
        if index is not None:
            return index
    return _match_text(text, choices)


def _match_letter(pattern: re.Pattern[str], text: str, choices: tuple[str, ...]) -> int | None:
    match = pattern.match(text.strip())
    if match is None:
        return None
    # Of the alternatives of a pattern, one group has the letter.
    letter = next(group for group in match.groups() if group)
    index = LETTERS.index(letter.upper())
    return index if index < len(choices) and choices[index] else None


def _match_text(text: str, choices: tuple[str, ...]) -> int | None:
    # The text as it is goes first: options may differ in capitals or quotes alone.
    for fold in (str.strip, normalise_text):
        wanted = fold(text)
        # The whole text: an option inside a sentence could be one that is ruled out.
        for index, choice in enumerate(choices):
            if choice and fold(choice) == wanted:
                return index
    return None
