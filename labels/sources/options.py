"""Which options of a question its key names: from here on an option is a number, not a text."""

import re

from labels.cells import misfit, read_whole
from labels.metrics.score import normalise_text
from labels.questions import LETTERS
from m3_backbone.serialization import show

LETTER = re.compile(r"\(?([A-Za-z])\)?[.):]?")


def number_option(cell: object, choices: tuple[str, ...], where: str) -> int:
    """Read the number of an option.

    Args:
        cell: the number, counted from 0, in any form that `read_whole` knows.
        choices: the options.
        where: the sample and the column, for messages.

    Returns:
        The number.

    Raises:
        ValueError: if there is no such option.
    """
    expected = f"the number of one of its {len(choices)} choices, counted from 0"
    number = read_whole(cell, where, expected)
    if not 0 <= number < len(choices) or not choices[number]:
        raise ValueError(misfit(where, expected, cell))
    return number


def find_options(
    answers: tuple[str, ...], choices: tuple[str, ...], lettered: bool, where: str
) -> tuple[int, ...]:
    """Find the options that a question's answers name.

    Args:
        answers: letters or texts of options.
        choices: the options.
        lettered: whether a letter can only be a letter, as where each option has its own column.
        where: the sample and the column, for messages.

    Returns:
        Their numbers, in order, counted from 0.

    Raises:
        ValueError: if an answer names no option, or may name either of two.
    """
    found: set[int] = set()
    for answer in answers:
        place = _read_letter(answer, len(choices))
        texts = set() if lettered and place is not None else _find_texts(answer, choices, where)
        if place is not None and not choices[place] and not texts:
            raise ValueError(f"{where}: {show(answer)} names a choice that is empty")
        letter = set() if place is None or not choices[place] else {place}
        if letter and texts and letter != texts:
            raise ValueError(
                f"{where}: {show(answer)} is the letter of one choice and the text of another; "
                "give the number of the right one, counted from 0, in a column answer_index"
            )
        if not letter and not texts:
            raise ValueError(
                f"{where}: {show(answer)} is neither a letter nor the text of one of its "
                f"{len(choices)} choices (a number belongs into answer_index)"
            )
        found |= letter or texts
    return tuple(sorted(found))


def _read_letter(answer: str, n_choices: int) -> int | None:
    match = LETTER.fullmatch(answer.strip())
    place = LETTERS.index(match[1].upper()) if match else n_choices
    return place if place < n_choices else None


def _find_texts(answer: str, choices: tuple[str, ...], where: str) -> set[int]:
    # Those that equal it; without any, the one that is alike.
    equal = {place for place, choice in enumerate(choices) if choice.strip() == answer.strip()}
    if equal:
        return equal
    folded = normalise_text(answer)
    alike = {p for p, choice in enumerate(choices) if choice and normalise_text(choice) == folded}
    if len({choices[place].strip() for place in alike}) > 1:
        letters = ", ".join(LETTERS[place] for place in sorted(alike))
        raise ValueError(f"{where}: {show(answer)} is like several of its choices: {letters}")
    return alike
