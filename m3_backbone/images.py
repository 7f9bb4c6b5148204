"""Opening and checking images before a model sees them.

Not preprocessing: pixels stay as they are.
"""

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

MIN_SIDE = 8
"""Pixels; anything thinner is a broken file or a tracking pixel."""

MAX_SIDE = 16384
"""Pixels; decoding more would fill the memory of a small machine."""

MAX_ASPECT = 100
"""Longer side over shorter side; beyond it, resizing leaves nothing to see."""


def load_image(path: str | Path) -> Image.Image:
    """Open an image file, upright and in RGB.

    Args:
        path: the file.

    Returns:
        The image in mode RGB, decoded, turned as its EXIF orientation says.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an image, is cut short, or has a size that is refused.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no image file at {path}")
    try:
        with Image.open(path) as image:
            check_size(image.size, str(path))
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        raise ValueError(f"{path} is not an image that Pillow can read") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} has too many pixels to be decoded safely: {error}") from error
    except (OSError, SyntaxError, EOFError) as error:
        # Pillow reports damaged PNG chunks as SyntaxError and missing bytes as OSError.
        raise ValueError(f"{path} is damaged or cut short: {error}") from error


def check_image(image: Image.Image, name: str = "image") -> Image.Image:
    """Check an image in memory and return it in RGB.

    Args:
        image: the image; decoded here if that has not happened yet.
        name: what to call it in an error, such as its path.

    Returns:
        The image in mode RGB; the same object if it was RGB already.

    Raises:
        ValueError: if it is no PIL image, is cut short, or has a size that is refused.
    """
    if not isinstance(image, Image.Image):
        raise ValueError(
            f"{name}: expected a PIL image (see load_image), got {type(image).__name__}"
        )
    check_size(image.size, name)
    try:
        image.load()
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{name} is damaged or cut short: {error}") from error
    return image if image.mode == "RGB" else image.convert("RGB")


def check_size(size: tuple[int, int], name: str = "image") -> None:
    """Refuse sizes that no answer could be trusted for.

    Args:
        size: width and height [pixels].
        name: what to call the image in an error.

    Raises:
        ValueError: if a side is too short or too long, or the image is too thin.
    """
    short, long = min(size), max(size)
    told = f"{name} is {size[0]}x{size[1]} pixels"
    if short < MIN_SIDE:
        raise ValueError(f"{told}: each side must be at least {MIN_SIDE}")
    if long > MAX_SIDE:
        raise ValueError(f"{told}: each side may be at most {MAX_SIDE}")
    if long > MAX_ASPECT * short:
        raise ValueError(f"{told}: the longer side may be at most {MAX_ASPECT} times the shorter")
