"""Arrays as the bytes of an .npz file: the form in which everything learnt is saved."""

import io
import tokenize
import zipfile
from collections.abc import Collection, Mapping

import numpy as np

from predictor.data import FloatArray

UNREADABLE = (
    OSError,
    EOFError,
    AttributeError,
    ValueError,
    OverflowError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)
"""What numpy raises for a file that is not one of its own; headers are read as Python literals."""


def pack_arrays(arrays: Mapping[str, FloatArray]) -> bytes:
    """Write named arrays as an .npz file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    # Stored, not deflated: the bytes, and so the hash, depend on no version of zlib.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        # Sorted, because the order in the archive would otherwise follow the caller's dict.
        for name in sorted(arrays):
            inner = io.BytesIO()
            np.lib.format.write_array(inner, np.asarray(arrays[name]), allow_pickle=False)
            # A bare ZipInfo has a fixed date; numpy's own writer takes today's.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), inner.getvalue())
    return buffer.getvalue()


def unpack_arrays(
    content: bytes, what: str = "file of arrays", names: Collection[str] = ()
) -> dict[str, FloatArray]:
    """Read the bytes of an .npz file, never a pickle.

    Args:
        content: what `pack_arrays` gave.
        what: what it should be, for the error.
        names: arrays that must be there.

    Raises:
        ValueError: if the content is not an .npz of plain arrays, or lacks one of `names`.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except UNREADABLE as error:
        raise ValueError(f"not an .npz file of plain arrays: {error}") from error
    if not set(names) <= set(arrays):
        raise ValueError(f"not a {what}; train the router again")
    return arrays
