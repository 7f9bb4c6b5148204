"""Cells of other people's tables and logs to text, lists of text and whole numbers, in one place.

`datasets`, pandas, CSV and JSON write the same thing in many forms: numbers that became floats,
nulls as NaN, lists as text, lists of dicts, a dict of lists. What has no such form is refused, and
never shown at length. Cells of images are read in `labels.sources.image_cells`.
"""

import ast
import math
import re
import warnings
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from labels.questions import LETTERS
from m3_backbone.serialization import parse_json, show

DEEPEST = 4
"""Lists within lists that are still read as one list of answers."""

TEXT_KEYS = ("answer", "text")
"""Where a dict that stands for an answer or an option holds its text."""

NO_OPTION = "nan"
"""How tables of one column per option, written by pandas, mark that there is none."""

QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
DICT = rf"""(?:\{{(?:{QUOTED}|[^'"{{}}])*\}})"""
ITEM = re.compile(rf"\s*({QUOTED}|{DICT}|[^\s,'\"\[\]]+)(?:\s*,\s*|\s+|(?=\])|$)", re.DOTALL)
DICTS = re.compile(r"\s*\[\s*\{\s*['\"]")
"""How a list of dicts begins that was written as text."""

BEHIND = re.compile(r"\}\s*\]\s*[^\s,\]}]")
"""Where a text goes on behind such a list."""

MALFORMED = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
"""What reading a literal raises where it is none."""

WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")
NOTHING = frozenset(("None", "null", "nan", "NaN"))
HALF = re.compile("[\ud800-\udfff]")


def misfit(where: str, expected: str, cell: object) -> str:
    """Say that a cell is not what it should be.

    Args:
        where: the sample and the column.
        expected: what should be there.
        cell: what is there.

    Returns:
        The message.
    """
    return f"{where}: expected {expected}, got {show(cell)}"


def is_empty(cell: object) -> bool:
    """Tell whether a cell holds nothing: null, NaN, pandas' NA and NaT, or an empty text."""
    cell = _plain(cell)
    if isinstance(cell, Decimal):
        return cell.is_nan()
    if isinstance(cell, float):
        return math.isnan(cell)
    nothing = cell is None or type(cell).__name__ in ("NAType", "NaTType")
    return nothing or (isinstance(cell, str) and not cell)


def read_text(cell: object, where: str) -> str:
    """Read a cell that holds one text, a number or a truth value.

    Args:
        cell: the cell.
        where: the sample and the column, for messages.

    Returns:
        The text, "" of a cell that holds nothing; a whole number that became a float is whole, a
        truth value is "True" or "False" as tables write it, and halves of characters, which models
        cut emoji into, become U+FFFD.

    Raises:
        ValueError: if it is a list, a dict, a date or anything else that is no text.

    >>> [read_text(cell, "x") for cell in (3.0, float("nan"), "3.0", True)]
    ['3', '', '3.0', 'True']
    """
    cell = _plain(cell)
    if is_empty(cell):
        return ""
    if isinstance(cell, bytes):
        try:
            cell = cell.decode()
        except UnicodeDecodeError as error:
            raise ValueError(misfit(where, "text", cell)) from error
    if isinstance(cell, str):
        # Two halves that stand together are one character; the other ones are replaced.
        halved = not cell.isascii() and HALF.search(cell)
        return (
            cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if halved else cell
        )
    if isinstance(cell, int):
        return _write_whole(cell, where)
    if isinstance(cell, float | Decimal) and math.isfinite(cell):
        number = float(cell)
        exact = number.is_integer() and abs(number) < 2**53
        return str(int(number)) if exact else str(cell)
    raise ValueError(misfit(where, "text", cell))


def _write_whole(number: int, where: str) -> str:
    try:
        return str(number)
    except ValueError as error:  # more digits than Python writes
        raise ValueError(misfit(where, "text", number)) from error


def read_texts(cell: object, where: str) -> tuple[str, ...]:
    """Read a cell that holds one answer or several.

    Args:
        cell: a text or number; a list of these, also within lists; dicts with the text in one of
            `TEXT_KEYS`; or one such dict of lists. A list may also be written as text.
        where: the sample and the column, for messages.

    Returns:
        The answers; nulls are left out, and there is none where all are empty.

    Raises:
        ValueError: if it is none of these, such as a text that begins as a list of dicts does and
            breaks off.

    >>> read_texts([{"answer": "tea"}, None, {"answer": "a tea"}], "x")
    ('tea', 'a tea')
    >>> read_texts({"text": ["0.28"], "answer_start": [3]}, "x"), read_texts("['a', 'b']", "x")
    (('0.28',), ('a', 'b'))
    """
    cell = _plain(cell)
    if isinstance(cell, str) and cell.lstrip()[:1] == "[":
        listed = parse_list(cell)
        if listed is None and DICTS.match(cell) and not BEHIND.search(cell):
            raise ValueError(misfit(where, "a whole list of answers", cell))
        # A list of numbers, or of dicts without a text, may as well be an answer: a point, boxes.
        if listed is not None and all(map(_may_be_answer, listed)):
            cell = listed
    texts = tuple(read_text(one, where) for one in _flatten(cell, where) if not _is_null(one))
    return texts if any(text.strip() for text in texts) else ()


def read_options(cell: object, where: str) -> tuple[str, ...]:
    """Read a cell that holds all options of a question.

    Args:
        cell: a list, also written as text; a dict of letter -> text, or of lists such as
            {"label": [...], "text": [...]}.
        where: the sample and the column, for messages.

    Returns:
        The options, each in its place: a null is "", but nothing follows the last option.

    Raises:
        ValueError: if it is no list of texts.

    >>> read_options("['dog', None, 'cat']", "x"), read_options({"C": "cat", "A": "dog"}, "x")
    (('dog', '', 'cat'), ('dog', '', 'cat'))
    """
    cell = _plain(cell)
    if is_empty(cell):
        return ()
    given = cell
    if isinstance(cell, str):
        cell = parse_list(cell)
    elif isinstance(cell, Mapping):
        cell = _list_letters(cell) or cell.get(next((k for k in TEXT_KEYS if k in cell), ""))
    if not isinstance(cell, list):
        kind = "the text " if isinstance(given, str) else ""
        raise ValueError(f"{where}: expected a list of choices, got {kind}{show(given)}")
    return trim_options([read_text(_take_text(_plain(one), where), where) for one in cell])


def trim_options(texts: list[str]) -> tuple[str, ...]:
    """Drop empty options behind the last; those between others keep their places."""
    while texts and not texts[-1].strip():
        texts = texts[:-1]
    return tuple(text if text.strip() else "" for text in texts)


def read_option_columns(cells: list[object], where: str) -> tuple[str, ...]:
    """Read options that lie in a column each.

    Args:
        cells: one cell per option.
        where: the sample and the columns, for messages.

    Returns:
        The options as `read_options` gives them; the text `NO_OPTION` is none either.
    """
    texts = [read_text(cell, where) for cell in cells]
    return trim_options(["" if text == NO_OPTION else text for text in texts])


def read_whole(cell: object, where: str, expected: str = "a whole number") -> int:
    """Read a cell that holds a whole number, also as text or as a float.

    Args:
        cell: the cell.
        where: the sample and the column, for messages.
        expected: what the number is, for messages.

    Returns:
        The number.

    Raises:
        ValueError: if it is none.

    >>> read_whole("1.0", "x"), read_whole(np.int64(3), "x")
    (1, 3)
    """
    try:
        match = WHOLE.fullmatch(read_text(cell, where).strip())
    except ValueError:
        match = None  # no text, and so no number
    if match is None:
        raise ValueError(misfit(where, expected, cell))
    return int(match[1])


def parse_list(text: str) -> list[Any] | None:
    """Read a list that was written as text, by JSON, Python or numpy.

    Args:
        text: the text.

    Returns:
        The list; None if it is none, or holds anything but texts, numbers, nulls and dicts.

    >>> parse_list("['a' 'b']"), parse_list('["a", null]'), parse_list("[a list"), parse_list("[]")
    (['a', 'b'], ['a', None], None, [])
    """
    bare = text.strip()
    if not (bare.startswith("[") and bare.endswith("]")):
        return None
    try:
        listed = parse_json(bare)
    except ValueError:
        # Dicts within dicts are Python's alone; numpy's list without commas is none to Python.
        listed = _read_dicts(bare) if DICTS.match(bare) else _parse_items(bare[1:-1])
    flat = all(isinstance(one, str | int | float | dict | None) for one in listed or ())
    return listed if flat else None


def _read_dicts(text: str) -> list[Any] | None:
    try:
        return list(_read_item(f"{{'list': {text}}}")["list"])
    except MALFORMED:
        return _parse_items(text[1:-1])


def _parse_items(inner: str) -> list[Any] | None:
    """Read what stands between the brackets: items with commas (Python) or blanks (numpy)."""
    inner = inner.rstrip().removesuffix(",").rstrip()
    items: list[Any] = []
    place = 0
    while place < len(inner):
        match = ITEM.match(inner, place)
        if match is None:
            return None
        place = match.end()
        try:
            items.append(_read_item(match[1]))
        except MALFORMED:
            return None
    return items


def _read_item(word: str) -> Any:
    if word in NOTHING:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes such as \d, which stay as they are
        return ast.literal_eval(word) if word[0] in "'\"{" else float(word)


def _plain(cell: object) -> Any:
    """Turn numpy's and pandas' values into Python's own."""
    if isinstance(cell, np.generic | np.ndarray):
        cell = cell.tolist()
    return list(cell) if isinstance(cell, tuple) else cell


def _may_be_answer(item: object) -> bool:
    if isinstance(item, Mapping):
        return any(key in item for key in TEXT_KEYS)
    return isinstance(item, str | None)


def _is_null(cell: object) -> bool:
    return not isinstance(cell, str) and is_empty(cell)


def _flatten(cell: object, where: str, depth: int = 0) -> list[object]:
    cell = _plain(_take_text(cell, where))
    if not isinstance(cell, list):
        return [cell]
    if depth == DEEPEST:
        raise ValueError(misfit(where, "a text or a list of texts", cell))
    return [text for one in cell for text in _flatten(one, where, depth + 1)]


def _take_text(cell: object, where: str) -> object:
    if not isinstance(cell, Mapping):
        return cell
    for key in TEXT_KEYS:
        if key in cell:
            return cell[key]
    keys = ", ".join(show(key) for key in list(cell)[:8])
    raise ValueError(
        f"{where}: expected text, or a dict with it under {' or '.join(TEXT_KEYS)}; it has: {keys}"
    )


def _list_letters(cell: Mapping[Any, Any]) -> list[Any] | None:
    """List the options of a dict of letter -> text, each in the place of its letter."""
    if not cell or not all(isinstance(key, str) and len(key) == 1 for key in cell):
        return None
    places = {LETTERS.find(key): text for key, text in cell.items()}
    return None if -1 in places else [places.get(place) for place in range(max(places) + 1)]
