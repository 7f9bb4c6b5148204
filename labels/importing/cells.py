"""Cells of other people's logs that only logs have: names, counts of tokens and scores.

What this is not: a reader of text, which `labels.cells` is for all files. A cell of another
type is refused; `where` says which one it was.
"""

import math
from typing import Any

from labels.cells import read_text, read_whole
from m3_backbone.serialization import show

Record = dict[str, Any]
"""One row of a file, or an answer in our fields.

Ours are `sample_id`, `scale`, `answer`, `score`, and where a layout has them `group`, `image_id`,
`cost`, `question`, `target`, `choices`, `prompt_tokens` and `output_tokens`.
"""

MOST_TOKENS = 2**31 - 1
"""Largest count that a column of a table holds."""


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


def name_sample(row: Record, where: str = "a row") -> str:
    """Read the sample id of a row.

    Args:
        row: an answer in our fields.
        where: file and row, for the message.

    Returns:
        The name.

    Raises:
        ValueError: if it has none, or one that is no name.
    """
    sample = read_name(row.get("sample_id"), f"{where}, sample_id")
    if not sample:
        raise ValueError(f"{where}: expected a sample_id, got none")
    return sample


def read_count(value: object, where: str, least: int = 1) -> int:
    """Read a count of tokens.

    Args:
        value: a whole number, or its text.
        where: file and row or sample, for the message.
        least: the smallest one.

    Returns:
        The count.

    Raises:
        ValueError: if it is a truth value, a fraction, too small, or too large for a table.
    """
    expected = f"a whole number of tokens of at least {least}"
    count = read_whole(value, where, expected)
    if not least <= count <= MOST_TOKENS:
        raise ValueError(f"{where}: expected {expected}, got {show(value)}")
    return count


COUNTS = {
    "input_tokens": ("prompt_tokens", 0),
    "output_tokens": ("output_tokens", 0),
    "visual_tokens": ("cost", 1),
    "scale": ("scale", 1),
}
"""What logs call a count -> what we do, and the least that it may be."""


def read_counts(counts: Record, where: str) -> dict[str, int]:
    """Read what an answer took, and its scale, as far as a log has them.

    Args:
        counts: the log's name of a count, of `COUNTS`, -> the count; other names are passed over.
        where: file and row, for messages.

    Returns:
        Counts by our names.
    """
    return {
        ours: read_count(counts[theirs], f"{where}: {theirs}", least)
        for theirs, (ours, least) in COUNTS.items()
        if counts.get(theirs) is not None
    }


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
    try:
        text = read_text(value, where)
        score = float(TRUTHS.get(text, text))
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise ValueError(f"{where}: expected a score in [0, 1], got {show(value)}")
    return score
