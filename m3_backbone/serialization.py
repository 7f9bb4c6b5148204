"""Values to JSON and back, and checksums: equal values give equal bytes, damage is a ValueError."""

import hashlib
import json
import math
import reprlib
from collections.abc import Mapping
from typing import Any

LONGEST = 80
"""Characters of a value that a message shows."""

_brief = reprlib.Repr()
_brief.maxlevel = 3
_brief.maxstring = _brief.maxother = LONGEST


def sha256(content: bytes) -> str:
    """Hash content.

    Args:
        content: any bytes.

    Returns:
        SHA-256 in hex.
    """
    return hashlib.sha256(content).hexdigest()


def short_hash(text: str) -> str:
    """Hash a text to an id that a person can compare.

    Args:
        text: any text.

    Returns:
        16 hex digits of its SHA-256.
    """
    return sha256(text.encode())[:16]


def as_text(name: str) -> str:
    r"""Give the name of a file as text, with ? for each byte of it that is none.

    >>> as_text("q\udcff.jsonl")
    'q?.jsonl'
    """
    return name.encode(errors="replace").decode()


def json_ready(value: Any, digits: int | None = None) -> Any:
    """Turn values into what strict JSON knows.

    Args:
        value: numbers, arrays, text, and dicts, lists and tuples of them; numpy's among them.
        digits: significant digits of a float; all if None.

    Returns:
        The same as dicts with text for keys, lists, floats, ints, text and None, which also stands
        for NaN and infinities.

    >>> json_ready({1: (0.5, float("nan"))})
    {'1': [0.5, None]}
    >>> json_ready([1 / 3], digits=7)
    [0.3333333]
    """
    if hasattr(value, "tolist"):  # numpy's arrays and scalars; without importing numpy here
        value = value.tolist()
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, dict):
        # Two keys stay two, whatever bytes of file names they hold.
        return {
            str(key).encode(errors="backslashreplace").decode(): json_ready(item, digits)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [json_ready(item, digits) for item in value]
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


def parse_json(text: str | bytes) -> Any:
    """Read JSON.

    Args:
        text: the text, or its bytes as UTF-8 or UTF-16.

    Returns:
        Its value.

    Raises:
        ValueError: if it is no JSON, nested deeper than a parser can follow, or says two things
            under one key.
    """
    try:
        return json.loads(text, object_pairs_hook=_join_pairs)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error


def _join_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs, of which `json` alone would silently keep the last of a key.

    Raises:
        ValueError: if a key has two values that differ.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        for key, one in pairs:
            if one != value[key]:
                raise ValueError(
                    f"an object has the key {show(key)} twice: {show(one)} and {show(value[key])}"
                )
    return value


def to_json(value: Mapping[str, Any]) -> bytes:
    """Write JSON; equal values give equal bytes.

    Args:
        value: JSON-ready values.

    Returns:
        The text, keys sorted, as UTF-8.
    """
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def one_line(error: BaseException) -> str:
    """Write what a library says of an error in one line; where it says nothing, the error's kind.

    >>> one_line(KeyError()), one_line(ValueError("two", "lines"))
    ('KeyError', "('two', 'lines')")
    """
    return " ".join(str(error).split()) or type(error).__name__


def show(value: object) -> str:
    """Write a value for a message, at most `LONGEST` characters of it.

    >>> show("a" * 1000)[-5:], len(show("a" * 1000))
    ("aaaa'", 80)
    """
    try:
        text = " ".join(_brief.repr(value).split("\n"))  # numpy writes an array in several lines
    except ValueError:  # Python writes no whole number of thousands of digits
        return "a number of many digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
