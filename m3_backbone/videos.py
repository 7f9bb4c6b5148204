"""Frames of a video, which is what Pillow animates, or a folder of image files."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from m3_backbone.images import check_image, detach, load_image, open_image
from m3_backbone.pixels import pillow_errors

MAX_VIDEO_PIXELS = 2**29
"""Of all frames together: of a small file each may unpack to many."""


def load_frames(path: str | Path, count: int) -> list[Image.Image]:
    """Sample at most `count` frames of a video evenly, in their order, upright and in RGB.

    A video is an animated GIF, WebP, PNG or AVIF, or a folder that holds the frames as image files.

    Raises:
        FileNotFoundError: if there is nothing at the path.
    """
    path = Path(path)
    if path.is_dir():
        files = list_frames(path)
        return take_frames((load_image(files[i]) for i in even_places(len(files), count)), path)
    if not path.is_file():
        raise FileNotFoundError(f"no video at {path}")
    places = even_places(count_frames(path, str(path)), count)
    return take_frames(decode_frames(path, str(path), places), path)


def take_frames(frames: Iterable[Image.Image], name: object) -> list[Image.Image]:
    """Decode frames and hold them, if all of them are not too large together."""
    taken: list[Image.Image] = []
    pixels = 0
    for frame in frames:
        pixels += frame.width * frame.height
        check_pixels(pixels, len(taken) + 1, str(name))
        taken.append(frame)
    return taken


def list_frames(folder: Path) -> list[Path]:
    """List the frames of a video in a folder: its files by name, hidden ones left out.

    Raises:
        ValueError: if there is none.
    """
    files = sorted(path for path in folder.iterdir() if path.name[0] != "." and path.is_file())
    if not files:
        raise ValueError(f"{folder} holds no frames: expected one image file per frame")
    return files


def count_frames(source: Path | bytes, name: str) -> int:
    """Count the frames of an animated file, 1 of a still image; `name` is for errors.

    Raises:
        ValueError: if it is no image that is read here, as most formats of video are not, or its
            frames are too many for their size.
    """
    try:
        with open_image(source, name) as image:
            size = image.size
            with pillow_errors(name):
                # What a photo holds besides itself is no frame: a thumbnail, a map of brightness.
                total = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    except ValueError as error:
        raise ValueError(
            f"{error}; of another video take the frames out (ffmpeg -i VIDEO FOLDER/%05d.png) and "
            "give the folder"
        ) from error
    check_pixels(size[0] * size[1] * total, total, name)
    return total


def decode_frames(
    source: Path | bytes, name: str, places: Sequence[int] = (0,)
) -> Iterator[Image.Image]:
    """Decode pictures of an animated file in one pass over it.

    Args:
        source: the file, or its content.
        name: what to call it in an error.
        places: which pictures, in rising order.

    Yields:
        Each picture, as `m3_backbone.images.decode_image` gives it.
    """
    with open_image(source, name) as image:
        for place in places:
            with pillow_errors(name):
                image.seek(place)
            yield detach(check_image(image, name))


def check_pixels(pixels: int, frames: int, name: str) -> None:
    """Refuse a video of more pixels than can be decoded in reasonable time and memory.

    Raises:
        ValueError: if it is so.
    """
    if pixels > MAX_VIDEO_PIXELS:
        raise ValueError(
            f"{name} has {pixels} pixels in {frames} frames: expected at most {MAX_VIDEO_PIXELS}; "
            "make it smaller or shorter"
        )


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
