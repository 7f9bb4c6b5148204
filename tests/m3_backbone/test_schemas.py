"""Saved files are read through a schema: what does not fit is one line that names the field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from annotated_types import Interval

from m3_backbone.schemas import CLOSED, parse_saved, read_saved


@dataclass(frozen=True)
class Saved:
    """Something that was saved."""

    __pydantic_config__ = CLOSED
    name: str
    count: Annotated[int, Interval(ge=0, le=10)]
    share: float = 1.0
    sizes: tuple[int, ...] = ()


def test_what_fits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    path.write_text('{"name": "a", "count": 3, "share": 1, "sizes": [1, 2]}')
    assert read_saved(Saved, path, "write it again") == Saved("a", 3, 1.0, (1, 2))
    assert parse_saved(Saved, {"name": "a", "count": 0}, "it", "write it again") == Saved("a", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"name": "a"}', "'count' is missing"),
        (b'{"name": "a", "count": true}', "'count': input should be a valid integer, not True"),
        (b'{"name": "a", "count": 11}', "less than or equal to 10, not 11"),
        (b'{"name": "a", "count": 1, "more": 2}', "'more' is unknown"),
        (b'{"name": "a", "count": 1, "share": NaN}', "finite number, not nan"),
        (b'{"name": "a", "count": 1, "sizes": [1, "x"]}', "'sizes.1'"),
        (b"[]", "should be an object"),
        (b"null", "should be an object"),
        (b"{", "invalid JSON"),
        (b"[" * 100_000, "recursion limit"),
        (b'{"name": "\xff", "count": 1}', "invalid JSON"),
    ],
)
def test_what_does_not_fit_is_one_line(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match="^it cannot be used: .*; write it again$") as caught:
        parse_saved(Saved, content, "it", "write it again")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_long_value_is_cut() -> None:
    with pytest.raises(ValueError, match="is no") as caught:
        parse_saved(Saved, {"name": "a", "count": "x" * 1000}, "it is no", "write it again")
    assert len(str(caught.value)) < 200
