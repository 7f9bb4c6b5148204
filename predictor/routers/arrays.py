"""Arrays as the bytes of an .npz file: the form in which everything learnt is saved."""

import io
import math
import tokenize
import zipfile
from collections.abc import Collection, Mapping

import numpy as np

from m3_backbone.serialization import one_line, show
from predictor.data import FloatArray

ANY = "*"
"""An axis of any length."""

UNREADABLE = (
    OSError,
    EOFError,
    AttributeError,
    ValueError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)
"""What zipfile and numpy raise for a file that is none; headers are read as Python literals."""

KINDS = "bfiu"  # numpy's letters of booleans and numbers


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
    content: bytes,
    what: str,
    axes: Mapping[str, str],
    sizes: Mapping[str, int] | None = None,
    optional: Collection[str] = (),
) -> dict[str, FloatArray]:
    """Read the bytes of an .npz file against its schema: finite numbers of the right shapes.

    Args:
        content: what `pack_arrays` gave.
        what: what it should be, for the error.
        axes: every array that may be there, and a letter for each of its axes. An axis of one
            letter is equally long in all arrays; that of `ANY` is free.
        sizes: lengths of axes that are known beforehand, by letter.
        optional: arrays that may be missing.

    Returns:
        The arrays by name.

    Raises:
        ValueError: if the content is not an .npz of such arrays.
    """
    lengths = dict(sizes or {})
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            found = [entry.filename.removesuffix(".npy") for entry in entries]
            _check_names(found, axes, optional)
            # Deflated arrays could unpack to any size; stored ones are as small as the file.
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("it is compressed")
            return {
                name: _read_array(archive.read(entry), name, axes[name], lengths)
                for name, entry in zip(found, entries, strict=True)
            }
    except UNREADABLE as error:
        raise ValueError(f"not a {what}: {one_line(error)}; train the router again") from error


def _check_names(found: list[str], axes: Mapping[str, str], optional: Collection[str]) -> None:
    unknown = sorted(set(found) - set(axes))
    missing = sorted(set(axes) - set(found) - set(optional))
    if unknown or missing or len(set(found)) != len(found):
        wrong = unknown or missing or found
        why = "is unknown" if unknown else "is missing" if missing else "is there twice"
        raise ValueError(f"the array {show(wrong[0])} {why}")


def _read_array(content: bytes, name: str, axes: str, lengths: dict[str, int]) -> FloatArray:
    """Read one array once its header fits.

    Args:
        content: the array as an .npy file.
        name: its name.
        axes: a letter for each axis.
        lengths: length of each axis that is known; gathers those of this one.

    Raises:
        ValueError: if it does not fit.
    """
    buffer = io.BytesIO(content)
    if np.lib.format.read_magic(buffer) != (1, 0):
        raise ValueError(f"{name} has another version of the format")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(buffer)
    if dtype.kind not in KINDS or dtype.itemsize > 8:
        raise ValueError(f"{name} holds {dtype}, no numbers")
    fits = len(shape) == len(axes) and all(
        axis == ANY or lengths.setdefault(axis, size) == size
        for axis, size in zip(axes, shape, strict=True)
    )
    if not fits or min(shape, default=0) < 0:
        wanted = [str(lengths.get(axis, axis)) for axis in axes]
        raise ValueError(f"{name} has shape {shape}, not ({', '.join(wanted)})")
    rest = content[buffer.tell() :]
    # Before anything is allocated: a header may claim any number of rows.
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"{name} is not as long as its header says")
    array = np.frombuffer(rest, dtype).reshape(shape, order="F" if by_columns else "C").copy("K")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite numbers")
    return np.asarray(array)
