"""Lists the pictures of an image cell, still encoded: one, several, or the frames of a video.

What this is not: a decoder; `labels.sources.rows` decodes what is listed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from labels.cells import is_empty, misfit, parse_list
from m3_backbone.data_uris import URL_SAFE, decode_base64, is_data_uri, read_data_uri
from m3_backbone.images import check_image
from m3_backbone.serialization import show
from m3_backbone.videos import count_frames, even_places, list_frames

ENDINGS = (".jpg", ".png", ".jpeg", ".webp")
"""Endings that are tried for a file named without one."""

LONGEST_PATH = 1024

STARTS = ("iVBORw0KGgo", "/9j/", "R0lGODlh", "R0lGODdh", "UklGR", "Qk", "SUkqAA", "TU0AKg")
"""How PNG, JPEG, GIF, WebP, BMP and TIFF begin in base64."""

SHORTEST = 64
"""Characters of base64; no image has less, and few paths that begin so have more."""

FORMS = "an image (bytes, or a path as text)"


@dataclass(frozen=True)
class Picture:
    """One image file, not decoded.

    Attributes:
        source: the file, or its content.
        frames: which of its pictures to take, in rising order; more than one of a video.
    """

    source: Path | bytes
    frames: tuple[int, ...] = (0,)

    def read(self, name: str) -> bytes:
        """Read the content of the image file; messages call the sample by `name`."""
        if isinstance(self.source, bytes):
            return self.source
        return _find_file(self.source, name).read_bytes()


def list_pictures(cell: object, folder: Path, frames: int | None, name: str) -> list[Picture]:
    """List the pictures of an image cell.

    Args:
        cell: a path, bytes, base64, a data URI, a dict of bytes and path, a PIL image, or a list of
            these, also written as text. Nulls among them are no images.
        folder: where relative paths start.
        frames: frames to take of each video, which is an animated file or a folder of image files;
            None takes the first picture of a file, and no folder.
        name: what to call the sample in messages.

    Returns:
        The files in their order, at least one.

    Raises:
        ValueError: if the cell holds no image.
    """
    if isinstance(cell, str) and cell[:1] == "[":
        cell = parse_list(cell) or cell
    if isinstance(cell, list | tuple | np.ndarray):
        parts = [part for part in cell if not _is_null(part)]
        if not parts:
            raise ValueError(f"{name}: expected at least one image, got an empty list")
        # Lists may be nested, as where each of several columns holds one.
        return [one for part in parts for one in list_pictures(part, folder, frames, name)]
    source = _find_source(cell, folder, name)
    if frames is None:
        return [Picture(source)]
    # A video: a folder of frames, or a file with several.
    if isinstance(source, Path) and source.is_dir():
        files = list_frames(source)
        return [Picture(files[place]) for place in even_places(len(files), frames)]
    total = count_frames(Picture(source).read(name), f"{name}: the video")
    return [Picture(source, tuple(even_places(total, frames)))]


def _is_null(cell: object) -> bool:
    """Tell whether there is no image, as where a row has fewer than others."""
    if isinstance(cell, Mapping):
        return not (cell.get("bytes") or cell.get("path"))
    return is_empty(cell) or (isinstance(cell, list) and all(map(_is_null, cell)))


def _find_source(cell: object, folder: Path, name: str) -> Path | bytes:
    if isinstance(cell, Mapping):  # as `datasets` stores images: bytes, or the path of a file
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, Image.Image):  # as `datasets` hands over what lies deep in other columns
        kept = BytesIO()
        check_image(cell, name).save(kept, "PNG", compress_level=1)
        return kept.getvalue()
    if not isinstance(cell, str) or not cell:
        kind = f"{type(cell).__name__} {show(cell)}"
        raise ValueError(f"{name}: expected {FORMS}, got {kind}")
    content = _decode_base64(cell)
    if content is not None:
        return content
    if len(cell) > LONGEST_PATH or "\0" in cell or "://" in cell or is_data_uri(cell):
        raise ValueError(misfit(name, f"{FORMS} or base64", cell))
    # An absolute path stays as it is: joining drops what stands before it.
    return folder / cell


def _decode_base64(text: str) -> bytes | None:
    """Decode a data URI, or base64 that begins as an image does; None if it is neither."""
    begins = text[:SHORTEST].translate(URL_SAFE).startswith(STARTS)
    try:
        if is_data_uri(text):
            return read_data_uri(text, "image")
        return decode_base64(text) if begins and len(text) >= SHORTEST else None
    except ValueError:
        return None


def _find_file(path: Path, name: str) -> Path:
    """Find an image file, also where its name lacks the ending.

    Raises:
        FileNotFoundError: if there is none.
    """
    endings = () if path.suffix.lower() in ENDINGS else ENDINGS
    for place in (path, *(path.with_name(path.name + ending) for ending in endings)):
        if place.is_file():
            return place
    raise FileNotFoundError(f"{name}: there is no image file {str(path)[-200:]}")
