"""Reads what strangers wrote: every problem is a ValueError of one line.

JSON objects are read and bounded here before any library sees them. What a library then still
raises is caught at one boundary, and what it prints beside can be left out.
"""

import logging
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from m3_backbone.serialization import parse_json

logger = logging.getLogger(__name__)

DEEPEST = 32
"""Levels of nested settings; libraries copy them by recursion."""

MOST_CHARACTERS = 300
"""Characters of a library's message that are shown."""

_stderr = threading.Lock()


@contextmanager
def third_party(what: str) -> Iterator[None]:
    """Turn what a library raises inside the block into one line.

    transformers, tokenizers, jinja and torch raise nearly any type for files they cannot use, from
    KeyError to ZeroDivisionError, so this catches all. Nothing of ours belongs inside the block.

    Args:
        what: begins the message, such as `FOLDER holds a model that cannot be opened`.

    Yields:
        Nothing.

    Raises:
        ValueError: if anything was raised; its cause is kept and its traceback logged.
    """
    try:
        yield
    except BaseException as error:
        # A panic of Rust, as tokenizers ends in, is no Exception; a signal or an exit is no panic.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        logger.debug("%s", what, exc_info=error)
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        cause = cause if len(cause) <= MOST_CHARACTERS else f"{cause[:MOST_CHARACTERS]}..."
        raise ValueError(f"{what}: {cause}") from error


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Let nothing that is printed inside the block be seen; libraries in C write to descriptor 2.

    For short blocks: what other threads print meanwhile is lost too.
    """
    with _stderr:  # one at a time, so that the last to leave puts the right one back
        try:
            kept = os.dup(2)
        except OSError:  # closed: nothing is printed
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of settings.

    Raises:
        ValueError: if it is no JSON object, nested too deep, or holds NaN or an infinity.
    """
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(value).__name__}")
    try:
        numbers = list(list_numbers(value))
    except ValueError as error:
        raise ValueError(f"{path} holds {error}") from error
    for field, number in numbers:
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"{path}: {field} must be a finite number, got {number}")
    return value


def list_numbers(value: Any) -> Iterator[tuple[str, float]]:
    """Walk over all numbers in nested settings, each with the name of its field.

    Raises:
        ValueError: if they are nested deeper than `DEEPEST`.
    """
    level = [("", value)]
    for _ in range(DEEPEST):
        inner: list[tuple[str, Any]] = []
        for name, one in level:
            if isinstance(one, dict):
                inner += ((f"{name}.{key}".lstrip("."), item) for key, item in one.items())
            elif isinstance(one, list):
                inner += ((name, item) for item in one)
            elif isinstance(one, int | float):
                yield name, one
        level = inner
        if not level:
            return
    raise ValueError(f"settings that are nested deeper than {DEEPEST} levels")
