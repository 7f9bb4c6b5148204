"""Opening and checking images, and frames of a video, before a model sees them.

Pixels stay as they are. A video is what Pillow animates, or a folder of frames.
"""

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

MIN_SIDE = 8
"""Pixels; anything thinner is a broken file or a tracking pixel."""

MAX_SIDE = 16384
"""Pixels; decoding more would fill the memory of a small machine."""

MAX_ASPECT = 100
"""Longer side over shorter side; beyond it, resizing leaves nothing to see."""


def load_image(path: str | Path, frame: int = 0) -> Image.Image:
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
    if not path.is_file():
        raise FileNotFoundError(f"no image file at {path}")
    return decode_image(path, str(path), frame)


def decode_image(source: Path | BytesIO, name: str, frame: int = 0) -> Image.Image:
    """Decode an image file, upright and in RGB.

    Args:
        source: the file, or its content.
        name: what to call it in an error.
        frame: which picture to take of an animated file.

    Returns:
        The image in mode RGB, turned as its EXIF orientation says.

    Raises:
        ValueError: if it is not an image, is cut short, or has a size that is refused.
    """
    try:
        with Image.open(source) as image:
            check_size(image.size, name)
            image.seek(frame)
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not an image that Pillow can read") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} has too many pixels to be decoded safely: {error}") from error
    except (OSError, SyntaxError, EOFError) as error:
        # Pillow reports damaged PNG chunks as SyntaxError and missing bytes as OSError.
        raise ValueError(f"{name} is damaged or cut short: {error}") from error


def load_frames(path: str | Path, count: int) -> list[Image.Image]:
    """Sample at most `count` frames of a video evenly, in their order, upright and in RGB.

    A video is an animated GIF, WebP or PNG, or a folder that holds the frames as image files.

    Raises:
        FileNotFoundError: if there is nothing at the path.
    """
    path = Path(path)
    if path.is_dir():
        files = list_frames(path)
        return [load_image(files[place]) for place in even_places(len(files), count)]
    if not path.is_file():
        raise FileNotFoundError(f"no video at {path}")
    total = count_frames(path, str(path))
    return [load_image(path, place) for place in even_places(total, count)]


def list_frames(folder: Path) -> list[Path]:
    """List the frames of a video in a folder: its files by name, hidden ones left out.

    Raises:
        ValueError: if there is none.
    """
    files = sorted(path for path in folder.iterdir() if path.name[0] != "." and path.is_file())
    if not files:
        raise ValueError(f"{folder} holds no frames: expected one image file per frame")
    return files


def count_frames(source: Path | BytesIO, name: str) -> int:
    """Count the frames of an animated file, 1 of a still image; `name` is for errors.

    Raises:
        ValueError: if Pillow cannot read it, as it cannot read most formats of video.
    """
    try:
        with Image.open(source) as image:
            return int(getattr(image, "n_frames", 1))
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{name} is no animated GIF, WebP or PNG: take its frames out (ffmpeg -i VIDEO "
            "FOLDER/%05d.png) and give the folder"
        ) from error


def even_places(total: int, count: int) -> list[int]:
    """Number the middle frames of `count` equal stretches of a video of `total` frames.

    Raises:
        ValueError: if `count` is below 1.

    >>> even_places(10, 2)
    [2, 7]
    >>> even_places(2, 10)
    [0, 1]
    """
    if count < 1:
        raise ValueError(f"expected at least 1 frame of a video, got {count}")
    if total <= count:
        return list(range(total))
    # The middle of stretch k, (k + 1/2) * total / count, in whole numbers.
    return [(2 * stretch + 1) * total // (2 * count) for stretch in range(count)]


def check_image(image: Image.Image, name: str = "image") -> Image.Image:
    """Check an image in memory and return it in RGB; the same object if it is RGB already.

    Args:
        image: the image; decoded here if that has not happened yet.
        name: what to call it in an error, such as its path.

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
