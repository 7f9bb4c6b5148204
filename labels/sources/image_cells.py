"""Lists the pictures of an image cell, still encoded: one, several, or the frames of a video.

What this is not: a decoder; `labels.sources.rows` decodes what is listed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from m3_backbone.images import check_image
from m3_backbone.videos import count_frames, even_places, list_frames


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
        """Read the content of the image file; messages call the sample by `name`.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        if isinstance(self.source, bytes):
            return self.source
        if not self.source.is_file():
            raise FileNotFoundError(f"{name}: there is no image file {self.source}")
        return self.source.read_bytes()


def list_pictures(cell: object, folder: Path, frames: int | None, name: str) -> list[Picture]:
    """List the pictures of an image cell.

    Args:
        cell: a path, bytes, a dict of both, a PIL image, or a list of these.
        folder: where relative paths start.
        frames: frames to take of each video, which is an animated file or a folder of image files;
            None takes the first picture of a file, and no folder.
        name: what to call the sample in messages.

    Returns:
        The files in their order, at least one.

    Raises:
        ValueError: if the cell holds no image.
    """
    if isinstance(cell, list | tuple):
        if not cell:
            raise ValueError(f"{name}: expected at least one image, got an empty list")
        # Lists may be nested, as where each of several columns holds one.
        return [one for part in cell for one in list_pictures(part, folder, frames, name)]
    source = _find_source(cell, folder, name)
    if frames is None:
        return [Picture(source)]
    # A video: a folder of frames, or a file with several.
    if isinstance(source, Path) and source.is_dir():
        files = list_frames(source)
        return [Picture(files[place]) for place in even_places(len(files), frames)]
    total = count_frames(Picture(source).read(name), f"{name}: the video")
    return [Picture(source, tuple(even_places(total, frames)))]


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
        raise ValueError(
            f"{name}: expected an image (bytes, or a path as text), got {type(cell).__name__}"
        )
    # An absolute path stays as it is: joining drops what stands before it.
    return folder / cell
