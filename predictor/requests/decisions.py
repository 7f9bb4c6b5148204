"""Records of routing decisions and their log: the scale of a request, the reason and the cost.

Question and answer are not in a record.
"""

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from m3_backbone.files import check_output
from m3_backbone.schemas import CLOSED, parse_saved
from m3_backbone.serialization import json_ready, parse_json

BLOCK = 65536

HEAD = b'{"scale": '
"""How every line of a log begins."""

ROUTER = "router"
UNFAMILIAR = "unfamiliar"
GIVEN = "given scale"
KNOB = "knob"
REASONS: Mapping[str, str] = {
    ROUTER: "probabilities and the operating point made it best",
    UNFAMILIAR: "image or question are too unlike the training split, so the largest was taken",
    GIVEN: "the request named it",
    KNOB: "the operating point leaves no choice, as a certificate that nothing smaller kept",
}
"""Reason of a choice -> what it means."""


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How the scale of one answer came about, and what the answer cost.

    Attributes:
        scale: visual tokens per image crop that were chosen.
        reason: why, one of `REASONS`.
        probabilities: the router's P(correct) at each scale.
        knob: the operating point that was asked for, as `Knob.to_dict` gives it.
        images: images of the conversation.
        turns: turns of the conversation.
        visual_tokens: visual tokens that were read, of all images.
        prompt_tokens: all tokens that were read, text and visual.
        output_tokens: tokens that were generated, the end token included.
        finish_reason: `stop` where the answer came to its end or a stop text, else `length`.
        encode_ms: time of encoding its batch, divided by the requests in it [ms].
        router_ms: the same of routing, features included [ms].
        generate_ms: the same of reading and answering [ms].
        time: when the answer was whole, in UTC.
    """

    __pydantic_config__ = CLOSED

    scale: int
    reason: str
    probabilities: dict[int, float]
    knob: dict[str, Any]
    images: int
    turns: int
    visual_tokens: int
    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    encode_ms: float
    router_ms: float
    generate_ms: float
    time: str = field(default_factory=_now)

    @property
    def unfamiliar(self) -> bool:
        """Whether image or question were too unlike the training split for the router."""
        return self.reason == UNFAMILIAR

    @property
    def fell_back(self) -> bool:
        """Whether the largest scale was taken for that; another name of `unfamiliar`."""
        return self.unfamiliar

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON-ready values, scales as text."""
        values = {one.name: getattr(self, one.name) for one in fields(Decision)}
        ready: dict[str, Any] = json_ready(values)
        return ready


class DecisionLog:
    """A file of decisions, one line of JSON each; several threads may write.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        """Begin a log, or go on with one.

        Args:
            path: the file; its folder is made. What is there must be a log, see `check_log`; an
                unfinished last line, of a machine that lost power, is cut off.
        """
        self.path = Path(path)
        check_output(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        if self.path.exists():
            check_log(self.path)
            _cut_tail(self.path)

    def append(self, decision: Decision) -> None:
        """Add a line, whole or not at all; it is with the system when this returns.

        Raises:
            OSError: if it cannot be written.
        """
        line = f"{json.dumps(decision.to_dict(), ensure_ascii=False, allow_nan=False)}\n".encode()
        try:
            # Opened each time, so that a log may be moved away meanwhile.
            with self._lock, self.path.open("ab", buffering=0) as file:
                end = file.tell()
                if file.write(line) != len(line):
                    file.truncate(end)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise OSError(f"cannot write {self.path}: {error.strerror or error}") from error


def read_decisions(path: str | Path) -> Iterator[Decision]:
    """Read a log.

    Args:
        path: the file.

    Yields:
        Its decisions in their order. A line that is none raises the ValueError of `parse_saved`.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            yield _read_line(Path(path), number, line)


def check_log(path: Path) -> None:
    """Refuse a file that is no log of decisions.

    Args:
        path: the file. An empty one is a log, and so is one that holds but the beginning of a line.
            What is none raises the ValueError of `parse_saved`.
    """
    with path.open("rb") as file:
        line = file.readline()
    is_begun = line.startswith(HEAD) or HEAD.startswith(line)
    if not is_begun or _is_whole(line):
        _read_line(path, 1, line)


def _is_whole(line: bytes) -> bool:
    try:
        parse_json(line)
    except ValueError:
        return line.endswith(b"\n")
    return True


def _read_line(path: Path, number: int, line: bytes) -> Decision:
    return parse_saved(Decision, line, f"{path}, line {number},", "name another file")


def _cut_tail(path: Path) -> None:
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(end - BLOCK, 0)
            file.seek(start)
            last = file.read(end - start).rfind(b"\n")
            end = start + last + 1 if last >= 0 else start
            if last >= 0:
                break
        if end < size:
            file.truncate(end)
