"""A disk that is full while a checkpoint is written, told as for any other file."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError


@contextmanager
def writing_weights() -> Iterator[None]:
    """Turn what torch, safetensors and tokenizers raise for a full disk into an OSError.

    Yields:
        Nothing; write inside the block, and nothing else.

    Raises:
        OSError: if the block raised an error of theirs.
    """
    try:
        yield
    except RuntimeError as error:
        # From torch: a stream that failed, or a file that is shorter than what was written.
        raise OSError(errno.EIO, "not all weights could be written; is the disk full?") from error
    except Exception as error:
        # tokenizers raises a bare Exception. The text alone has the system's number, at the end or
        # before the path.
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None and not isinstance(error, SafetensorError):
            raise
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number)) from error
