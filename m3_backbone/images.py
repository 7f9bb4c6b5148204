"""Opening and checking images before a model sees them; all that is opened passes here.

Pixels stay as they are, but for what `m3_backbone.pixels` says of modes, alpha and orientation.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from m3_backbone.pixels import FORMATS, pillow_errors, to_rgb

MIN_SIDE = 8
"""Pixels; anything thinner is a broken file or a tracking pixel."""

MAX_SIDE = 16384
"""Pixels; decoding more would fill the memory of a small machine."""

MAX_ASPECT = 100
"""Longer side over shorter side; beyond it, resizing leaves nothing to see."""


def load_image(path: str | Path) -> Image.Image:
    """Open an image file, upright and in RGB, see `decode_image`.

    Raises:
        FileNotFoundError: if there is no such file.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "red.png"
    >>> Image.new("L", (64, 32)).save(path)
    >>> load_image(path).mode, load_image(path).size
    ('RGB', (64, 32))
    """
    path = Path(path)
    # `Path.is_file` fails at a text that is too long for a path, such as an image in base64.
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no image file at {str(path):.300}")
    return decode_image(path, str(path))


def decode_image(source: Path | bytes, name: str) -> Image.Image:
    """Decode an image file, upright and in 8-bit RGB; of several pictures in it the first.

    Args:
        source: the file, or its content.
        name: what to call it in an error.

    Returns:
        The image in mode RGB, turned as its EXIF orientation says.
    """
    with open_image(source, name) as image:
        return detach(check_image(image, name))


@contextmanager
def open_image(
    source: Path | bytes, name: str, formats: Sequence[str] = FORMATS
) -> Iterator[Image.Image]:
    """Open an image file, not decoded yet.

    Args:
        source: the file, or its content.
        name: what to call it in an error.
        formats: Pillow's names of the formats that are opened.

    Yields:
        The image, open for the time of the block. What is no image, or of no such format, raises
        the ValueError of `pillow_errors`.
    """
    with source.open("rb") if isinstance(source, Path) else BytesIO(source) as file:
        with pillow_errors(name, formats):
            Image.init()  # of the formats it knows, those that this Pillow was built with
            image = Image.open(file, formats=[one for one in formats if one in Image.OPEN])
        with image:
            yield image


def detach(image: Image.Image) -> Image.Image:
    """Copy an image that may still be the opened file's own."""
    copied = image.copy()
    copied.info = {}
    return copied


def check_image(image: Image.Image, name: str = "image") -> Image.Image:
    """Check an image in memory and return it upright and in 8-bit RGB.

    Args:
        image: the image; decoded here if that has not happened yet.
        name: what to call it in an error, such as its path.

    Returns:
        The same object if it is RGB and upright already.

    Raises:
        ValueError: if it is no PIL image, is cut short, or has a size or levels that are refused.
    """
    if not isinstance(image, Image.Image):
        raise ValueError(
            f"{name}: expected a PIL image (see load_image), got {type(image).__name__}"
        )
    check_size(image.size, name)
    return to_rgb(image, name)


def check_size(size: tuple[int, int], name: str = "image") -> None:
    """Refuse a width and height [pixels] at which no answer could be trusted.

    Raises:
        ValueError: if a side is too short or too long, or the image is too thin.
    """
    short, long = min(size), max(size)
    actual = f"{name} is {size[0]}x{size[1]} pixels"
    if short < MIN_SIDE:
        raise ValueError(f"{actual}: each side must be at least {MIN_SIDE}")
    if long > MAX_SIDE:
        raise ValueError(f"{actual}: each side may be at most {MAX_SIDE}")
    if long > MAX_ASPECT * short:
        raise ValueError(f"{actual}: the longer side may be at most {MAX_ASPECT} times the shorter")
