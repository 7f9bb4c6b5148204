"""From what Pillow opens to 8-bit RGB: upright, right levels, alpha blended; or one line.

What this is not: an opener of files; `m3_backbone.images` is.
"""

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from m3_backbone.foreign import silent_stderr
from m3_backbone.serialization import one_line

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is opened. Pillow knows more, some of which it hands to other programs, as EPS."""

BACKGROUND = (122, 116, 104)
"""What shows through transparent pixels: the mean colour of CLIP's images.

Source: LLaVA's official code, `mm_utils.py`, `expand2square`, which fills up images with it.
"""

DEEP_FORMATS = ("PNG", "PPM")
"""Formats whose grey is 16 bits deep where Pillow opens them in 32."""

PILLOW_WARNINGS = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
"""A warning filter. What Pillow warns of is harmless, or an error follows that says it too."""

PILLOW_LOG = logging.getLogger("PIL")
"""What it logs as an error it raises as well; silenced, where nobody chose its level."""

EXIF_ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the image upright."""

TIFF_BITS, TIFF_INTERPRETATION, TIFF_SAMPLES = 258, 262, 339
"""Tags of a TIFF file: bits of a sample, whether 0 is white, whether samples have a sign."""


@contextmanager
def pillow_errors(name: str, formats: Sequence[str] = FORMATS) -> Iterator[None]:
    """Tell whatever Pillow raises inside the block in one line, and nothing that it warns of.

    Args:
        name: what to call the image.
        formats: those that an image may have.

    Yields:
        Nothing.

    Raises:
        ValueError: if the block raised anything.
    """
    if PILLOW_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
    if PILLOW_LOG.level == logging.NOTSET:
        PILLOW_LOG.setLevel(logging.CRITICAL)
    try:
        yield
    except UnidentifiedImageError as error:
        expected = f"{', '.join(formats[:-1])} or {formats[-1]}"
        raise ValueError(f"{name} is not an image that is read here: {expected}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} has too many pixels to be decoded safely: {error}") from error
    except Exception as error:
        # Its readers raise whatever damage makes of their code: OSError, SyntaxError, struct.error,
        # RuntimeError, KeyError, MemoryError and more; no list of them would be complete.
        raise ValueError(f"{name} is damaged or cut short: {one_line(error):.200}") from error


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Decode an image and make it 8-bit RGB, turned as its EXIF orientation says.

    Args:
        image: an image of any mode.
        name: what to call it in an error.

    Returns:
        The same object if it is RGB and upright already, else a new image.

    Raises:
        ValueError: if it is damaged, or its numbers have no range that can be told.
    """
    with pillow_errors(name), _silent_libtiff(image):
        image.load()
        orientation = image.getexif().get(EXIF_ORIENTATION)
    if _tag(image, TIFF_SAMPLES, 1) == 2 and _tag(image, TIFF_BITS, 32) < 32:
        raise ValueError(f"{name} has numbers with a sign: expected levels from black to white")
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        grey = Image.fromarray(_scale_levels(image, values, name))
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    else:
        grey = image
    with pillow_errors(name):
        made = _blend(grey) if _is_transparent(grey) else _convert(grey)
        if orientation in TURNS:
            made = made.transpose(TURNS[orientation])
    if made is not image:
        # It is upright now, and opaque; what the file said of itself is no longer true.
        made.info = {}
    return made


def _scale_levels(image: Image.Image, values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Bring grey of more than 8 bits [height, width] to levels 0 to 255.

    32-bit numbers do not say their range: it is the smallest of 0..1 (floats alone), 0..255 and
    0..65535 that holds them all, if they fill a quarter of it.
    """
    if image.mode.startswith("I;16"):
        # A camera's 12 bits are kept as they are, in 16.
        white = 2.0 ** _tag(image, TIFF_BITS, 16)
    else:
        white = _find_white(image, float(values.min()), float(values.max()), name)
    if white == 1:
        exact = np.rint(values * np.float32(255))
    elif white == 256:
        exact = np.rint(values)
    else:
        exact = values / np.float32(white / 256)
    levels: NDArray[np.uint8] = exact.astype(np.uint8)
    # Pillow turns TIFF files in which 0 is white over up to 8 bits only.
    return 255 - levels if _tag(image, TIFF_INTERPRETATION, 1) == 0 else levels


def _find_white(image: Image.Image, low: float, high: float, name: str) -> float:
    """Find where white lies: 1 for floats, else the power of two above the largest level.

    Raises:
        ValueError: if the numbers from `low` to `high` fit no range.
    """
    if image.mode == "I" and image.format in DEEP_FORMATS:
        return 2.0**16
    floats = image.mode == "F"
    ranges = [(1.0, 1.0)] * floats + [(255.0, 256.0), (65535.0, 65536.0)]
    # NaN is in no range.
    for place, (most, white) in enumerate(ranges):
        if 0 <= low and high <= most and (place == 0 or high >= most / 4):
            return white
        if high <= most:
            break
    expected = f"{'0..1, ' * floats}0..255 or 0..65535"
    raise ValueError(
        f"{name} has numbers from {low:g} to {high:g}, and none of the ranges {expected} fits: "
        "save it with 8 bits"
    )


def _is_transparent(image: Image.Image) -> bool:
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return True
    # A transparent colour of true colour or grey means something while the image is the file's own:
    # when a palette is converted Pillow notes one, too, but opaque pixels may have that colour.
    own = image.mode == "P" or image.format is not None
    return own and image.info.get("transparency") is not None


def _blend(image: Image.Image) -> Image.Image:
    # Premultiplied grey becomes RGBA by way of LA alone.
    straight = image.convert("LA") if image.mode == "La" else image
    if straight.mode != "RGBA":
        straight = straight.convert("RGBA")
    made = Image.new("RGB", image.size, BACKGROUND)
    made.paste(straight, mask=straight)
    return made


def _convert(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode != "LAB":
        return image.convert("RGB")
    from PIL import ImageCms  # Pillow may be built without it

    lab = ImageCms.createProfile("LAB")
    turned = ImageCms.profileToProfile(image, lab, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if turned is None:
        raise ValueError("expected a new image from the conversion of LAB")
    return turned


def _tag(image: Image.Image, tag: int, default: int) -> int:
    """Read a number of a TIFF file's directory; the default for other images."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    first = value[0] if isinstance(value, tuple) else value
    return first if isinstance(first, int) else default


@contextmanager
def _silent_libtiff(image: Image.Image) -> Iterator[None]:
    """Keep libtiff from printing what Pillow raises as well."""
    if any(tile[0] == "libtiff" for tile in getattr(image, "tile", ())):
        with silent_stderr():
            yield
    else:
        yield
