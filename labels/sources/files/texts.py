"""Text files whose rows are read from their places when they are taken."""

import codecs
import threading
import weakref
from array import array
from typing import BinaryIO


class Places:
    """Where rows stand in a text file that stays open."""

    def __init__(self, file: BinaryIO) -> None:
        """Take the file; it is closed with the last reference to this."""
        self.file = file
        # Unsigned 64-bit numbers: 16 bytes a row.
        self._starts, self._ends = array("Q"), array("Q")
        self._lock = threading.Lock()  # images are loaded ahead by other threads
        weakref.finalize(self, file.close)

    def add(self, start: int, end: int) -> None:
        """Say where the next row stands [bytes]."""
        self._starts.append(start)
        self._ends.append(end)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._starts)

    def read(self, index: int) -> bytes:
        """Read the bytes of one row."""
        with self._lock:
            self.file.seek(self._starts[index])
            return self.file.read(self._ends[index] - self._starts[index])


def skip_mark(file: BinaryIO) -> int:
    """Skip the byte order mark of UTF-8.

    Returns:
        Where the text begins [bytes].

    Raises:
        ValueError: if the mark is one of UTF-16.
    """
    first = file.read(3)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is UTF-16; save it as UTF-8")
    start = len(codecs.BOM_UTF8) if first == codecs.BOM_UTF8 else 0
    file.seek(start)
    return start
