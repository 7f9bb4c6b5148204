"""Saved files are read through a schema: a dataclass that says the fields and their types.

Bounds stand beside the types: `Annotated[int, Interval(ge=0, le=10)]`. What does not fit is told
in one line that names the file, the field, what is expected and what came.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from m3_backbone.serialization import show, to_json

T = TypeVar("T")

CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)
"""For a dataclass's `__pydantic_config__`: no other fields, and no NaN or infinities."""

WORDS = {
    "missing": "is missing",
    "missing_argument": "is missing",
    "extra_forbidden": "is unknown",
    "unexpected_keyword_argument": "is unknown",
}
"""Pydantic's name of a problem -> how a user would say it."""

_make_reader: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
"""Kept, as making one takes longer than reading a file, and a run has thousands of files."""


def read_saved(schema: type[T], path: Path, remedy: str) -> T:
    """Read a JSON file through its schema.

    Args:
        schema: a dataclass, or a type made of dataclasses, lists and dicts.
        path: the file.
        remedy: what a user can do about a damaged file; ends the message.

    Returns:
        The instance. A file that does not fit raises the ValueError of `parse_saved`.
    """
    return parse_saved(schema, path.read_bytes(), str(path), remedy)


def parse_saved(schema: type[T], content: bytes | Mapping[str, Any], name: str, remedy: str) -> T:
    """Read JSON through its schema.

    Args:
        schema: a dataclass, or a type made of dataclasses, lists and dicts.
        content: the JSON, or what was parsed from it.
        name: what the message calls it.
        remedy: what a user can do about it; ends the message.

    Returns:
        The instance. Types are strict: "1" and True are no 1, but 1 is a float.

    Raises:
        ValueError: if a field is missing, unknown, of another type or out of range; one line.
    """
    text = to_json(content) if isinstance(content, Mapping) else content
    try:
        instance: T = _make_reader(schema).validate_json(text, strict=True)
    except ValidationError as error:
        raise ValueError(f"{name} cannot be used: {_first_problem(error)}; {remedy}") from error
    return instance


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    expected = problem["msg"][:1].lower() + problem["msg"][1:]
    if not problem["loc"]:
        return " ".join(expected.split())
    field = ".".join(map(str, problem["loc"]))
    if problem["type"] in WORDS:
        return f"{field!r} {WORDS[problem['type']]}"
    return f"{field!r}: {expected}, not {show(problem['input'])}"
