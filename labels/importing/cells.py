"""Cells of other people's files: text, names, counts and scores, read in one way for all layouts.

What this is not: a guess. A cell of another type is refused; `where` says which one it was.
"""

import ast
import math
import re
from typing import Any

from m3_backbone.serialization import show

Record = dict[str, Any]
"""One row of a file, or an answer in our fields.

Ours are `sample_id`, `scale`, `answer`, `score`, and where a layout has them `group`, `image_id`,
`cost`, `question`, `target`, `choices`, `prompt_tokens` and `output_tokens`.
"""

MOST_TOKENS = 2**31 - 1
"""Largest count that a column of a table holds."""

HALF = re.compile("[\ud800-\udfff]")


def read_text(value: object, where: str) -> str:
    """Read a cell of text; halves of characters, which models cut emoji into, become U+FFFD.

    Args:
        value: text, a number, a switch, or None for nothing.
        where: file and row or sample, for the message.

    Returns:
        The text; whole numbers that became floats on the way are whole again.

    Raises:
        ValueError: if it is a list or something else.

    >>> read_text(3.0, "row 1"), read_text(None, "row 1")
    ('3', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        raise ValueError(f"{where}: expected text, got {show(value)}")
    try:
        text = str(value)
    except ValueError as error:
        raise ValueError(f"{where}: expected text, got {show(value)}") from error
    # Two halves that stand together are one character; the other ones are replaced.
    if HALF.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def read_name(value: object, where: str) -> str:
    """Read a name, such as that of a sample: text without NUL, which no array of names keeps.

    Args:
        value: the cell; 0 and false are names as good as any.
        where: file and row or sample, for the message.

    Returns:
        The name, empty for none.

    Raises:
        ValueError: if it is no text or holds NUL.
    """
    name = read_text(value, where)
    if "\0" in name:
        raise ValueError(f"{where}: expected a name without the character NUL, got {show(name)}")
    return name


def read_count(value: object, where: str, least: int = 1) -> int:
    """Read a count of tokens.

    Args:
        value: a whole number, or its text.
        where: file and row or sample, for the message.
        least: the smallest one.

    Returns:
        The count.

    Raises:
        ValueError: if it is a switch, a fraction, too small, or too large for a table.
    """
    number = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not number.is_integer() or not least <= number <= MOST_TOKENS:
        raise ValueError(
            f"{where}: expected a whole number of tokens of at least {least}, got {show(value)}"
        )
    return int(number)


TRUTHS = {"True": 1.0, "true": 1.0, "False": 0.0, "false": 0.0}
"""How pandas and JSON write in a table whether an answer is right."""


def read_score(value: object, where: str) -> float:
    """Read a score.

    Args:
        value: a number in [0, 1], whether the answer is right, or the text of either.
        where: file and row or sample, for the message.

    Returns:
        The score.

    Raises:
        ValueError: if it is something else.
    """
    score = math.nan
    if isinstance(value, int | float | str):
        try:
            score = float(TRUTHS.get(value, value) if isinstance(value, str) else value)
        except (ValueError, OverflowError):
            score = math.nan
    if not 0 <= score <= 1:
        raise ValueError(f"{where}: expected a score in [0, 1], got {show(value)}")
    return score


def read_texts(value: object, where: str, keep_empty: bool = False) -> list[str]:
    """Read a cell that holds one text or a list of texts, which may be written as Python does.

    Args:
        value: the cell.
        where: file and row or sample, for the message.
        keep_empty: whether an empty text of a list keeps its place, as an option does.

    Returns:
        The texts; none for an empty cell.

    >>> read_texts("['a b', 'c']", "row 1"), read_texts("[1, 2]", "row 1"), read_texts(7, "row 1")
    (['a b', 'c'], ['[1, 2]'], ['7'])
    """
    if isinstance(value, str) and value.startswith("["):
        value = _read_list(value)
    if not isinstance(value, list | tuple):
        text = read_text(value, where)
        return [text] if text else []
    texts = [read_text(cell, where) for cell in value]
    return [text for text in texts if text or keep_empty]


def _read_list(text: str) -> object:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    # Of texts alone: an answer such as [1, 2] may well be meant as it is written.
    is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return value if is_list else text
