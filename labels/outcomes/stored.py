"""Features of a run as they lie on the disk: rows that are read when they are indexed.

What this is not: a check of what lies there; whoever says where rows lie has verified the files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.typing import NDArray

LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name and its extra field."""


@dataclass(frozen=True)
class StoredArray:
    """Where an array lies in a file, row after row.

    Attributes:
        path: the file.
        offset: its first byte.
        dtype: type of its numbers.
        shape: its shape, rows first.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read some rows [k, ...]."""
        # Mapped anew each time: what is mapped for good counts as this process's memory.
        return np.asarray(np.memmap(self.path, self.dtype, "r", self.offset, self.shape)[rows])


@dataclass(frozen=True)
class StoredRows:
    """Rows of several files as one array [n, ...] of float32.

    Attributes:
        arrays: where rows lie; all are of one width.
        owners: which of them each row is in [n].
        places: its row there [n]; rows that are alike may share one.
        finite: whether no row holds NaN or an infinite number.
    """

    arrays: Sequence[StoredArray]
    owners: NDArray[np.int64]
    places: NDArray[np.int64]
    finite: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, n first."""
        return (len(self.owners), *self.arrays[0].shape[1:])

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        owners, places = self.owners[rows], self.places[rows]
        read = np.empty((len(owners), *self.shape[1:]), np.float32)
        for owner in np.unique(owners):
            mine = np.flatnonzero(owners == owner)
            read[mine] = self.arrays[owner].read(places[mine])
        return read

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all rows."""
        return np.asarray(self[:], dtype)

    def pick(self, rows: NDArray[np.int64]) -> "StoredRows":
        """Keep the rows of these numbers [k], in their order, and read none."""
        return replace(self, owners=self.owners[rows], places=self.places[rows])


def locate_arrays(path: Path) -> dict[str, StoredArray]:
    """Find the arrays of an npz file that `pack_features` wrote, by name.

    Raises:
        ValueError: if the file is compressed.
    """
    found = {}
    with ZipFile(path) as archive, path.open("rb") as file:
        for member in archive.infolist():
            if member.compress_type != ZIP_STORED:
                raise ValueError(f"{path} is compressed; run m3scale label again to make it anew")
            file.seek(member.header_offset)
            header = file.read(LOCAL_HEADER)
            # The lengths of the name and of the extra field stand at the header's end.
            sizes = [int.from_bytes(header[at : at + 2], "little") for at in (26, 28)]
            file.seek(sum(sizes), 1)
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(file)
            name = member.filename.removesuffix(".npy")
            found[name] = StoredArray(path, file.tell(), dtype, shape)
    return found
