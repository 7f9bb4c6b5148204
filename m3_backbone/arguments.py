"""Arguments that a caller gives are checked for kind and range, and made plain.

numpy's numbers are as good as Python's; True and False are no numbers.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

from m3_backbone.serialization import show

T = TypeVar("T")


def check_whole(name: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """Check a whole number.

    Args:
        name: what messages call it.
        value: what was given; 2.0 is none.
        low: the least that may be, if there is one.
        high: the most that may be, if there is one; only beside `low`.

    Returns:
        The number.

    Raises:
        ValueError: if it is none, or out of range.

    >>> check_whole("frames", 8, 1)
    8
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if _lies(number, low, high):
            return number
    raise ValueError(f"{name} must be a whole number{_range(low, high)}, got {show(value)}")


def check_number(
    name: str, value: object, low: float | None = None, high: float | None = None
) -> float:
    """Check a finite number; see `check_whole`.

    Args:
        name: what messages call it.
        value: what was given.
        low: the least that may be, if there is one.
        high: the most that may be, if there is one; only beside `low`.

    Returns:
        The number; a whole one stays whole.

    Raises:
        ValueError: if it is none, or out of range.

    >>> check_number("temperature", 3, 0, 2)
    Traceback (most recent call last):
    ValueError: temperature must be a number from 0 to 2, got 3
    """
    number = _plain(value)
    if number is not None and _lies(number, low, high):
        return number
    kind = "a finite number" if high is None else "a number"
    raise ValueError(f"{name} must be {kind}{_range(low, high)}, got {show(value)}")


def check_share(name: str, value: object) -> float:
    """Check a share of more than nothing and less than all.

    Raises:
        ValueError: if it is none.
    """
    number = _plain(value)
    if number is not None and 0 < number < 1:
        return number
    raise ValueError(f"{name} must lie strictly between 0 and 1, got {show(value)}")


def check_kind(name: str, value: object, kind: type[T]) -> T:
    """Check that something is of a kind.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, kind):
        return value
    raise ValueError(f"{name} must be a {kind.__name__}, got {show(value)}")


def check_address(name: str, value: object) -> None:
    """Check that something may be where a thing is found: a path, or a name on the Hub.

    Raises:
        ValueError: if it is neither.
    """
    if not isinstance(value, str | Path):
        raise ValueError(f"{name} must be a path or a name, got {show(value)}")


def check_list(name: str, value: object, kind: type[T] = object) -> list[T]:  # type: ignore[assignment]
    """Check a list, or whatever else gives one thing after the other; a text is none.

    Args:
        name: what messages call it.
        value: what was given.
        kind: what it holds.

    Returns:
        The list.

    Raises:
        ValueError: if it is none, or something in it is of another kind.
    """
    wanted = f"{name} must be a list" + ("" if kind is object else f" of {kind.__name__}")
    if isinstance(value, str | bytes | Mapping):
        raise ValueError(f"{wanted}, got {show(value)}")
    try:
        listed: list[Any] = list(value)  # type: ignore[call-overload]
    except TypeError as error:
        raise ValueError(f"{wanted}, got {show(value)}") from error
    for place, one in enumerate(listed):
        if not isinstance(one, kind):
            raise ValueError(f"{wanted}, got {show(one)} at place {place}")
    return listed


def _plain(value: object) -> float | None:
    """Give a finite number as int or float; None for anything else."""
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number of hundreds of digits is no float
            if math.isfinite(float(value)):
                return int(value) if isinstance(value, Integral) else float(value)
    return None


def _lies(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or low <= number) and (high is None or number <= high)


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return ""
    return f" of at least {low}" if high is None else f" from {low} to {high}"
