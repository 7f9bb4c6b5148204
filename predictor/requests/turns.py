"""One message of a conversation, with its images opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from m3_backbone.images import check_image, check_size, decode_image, load_image
from m3_backbone.serialization import show

ImageSource: TypeAlias = Image.Image | bytes | str | Path | NDArray[np.uint8]
"""A PIL image, the content of an image file, its path, or RGB [h, w, 3]."""

Role: TypeAlias = Literal["system", "user", "assistant"]
SYSTEM: Role = "system"
USER: Role = "user"
ASSISTANT: Role = "assistant"


@dataclass(frozen=True, eq=False)
class Turn:
    """What one side says.

    Attributes:
        role: `system`, `user` or `assistant`.
        text: what is said.
        images: images that a user shows with it, in front of the text.
        pictures: the same, opened, upright and in RGB.
    """

    role: Role
    text: str
    images: tuple[ImageSource, ...] = ()
    pictures: tuple[Image.Image, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the words and open the images.

        Raises:
            ValueError: if there is no such role, a text that must not be empty is, images are
                shown by another than a user, or one of them is refused.
        """
        if not isinstance(self.role, str) or self.role not in (SYSTEM, USER, ASSISTANT):
            raise ValueError(
                f"a role must be {SYSTEM}, {USER} or {ASSISTANT}, got {show(self.role)}"
            )
        _check_text(self.role, self.text)
        if not isinstance(self.images, list | tuple):
            raise ValueError(f"images must be a list, got {type(self.images).__name__}")
        if self.images and self.role != USER:
            raise ValueError(f"only a user shows images, not the {self.role}")
        opened = (_open_source(one, f"image {place}") for place, one in enumerate(self.images))
        object.__setattr__(self, "pictures", tuple(opened))


def join_texts(texts: Sequence[str]) -> str:
    """Join the texts of one message by line breaks, without those that say nothing."""
    return "\n".join(text for text in texts if text.strip())


def _check_text(role: Role, text: object) -> None:
    name = {USER: "question", ASSISTANT: "answer"}.get(role, "system turn")
    if not isinstance(text, str):
        raise ValueError(f"the {name} must be text, got {show(text)}")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(f"the {name} is no whole text, write it as UTF-8: {show(text)}")
    # A model may have said nothing.
    if role != ASSISTANT and not text.strip():
        raise ValueError(f"the {name} is empty: expected some text, got {show(text)}")


def _open_source(source: ImageSource, name: str) -> Image.Image:
    """Open an image upright and in RGB; a PIL image that is so already is returned itself.

    Raises:
        ValueError: if it is no image, or refused as one.
    """
    if isinstance(source, Image.Image):
        return check_image(source, name)
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_image(bytes(source), name)
    if isinstance(source, str | Path):
        return load_image(source)
    if isinstance(source, np.ndarray):
        return check_image(_from_array(source, name), name)
    raise ValueError(
        f"{name}: expected a PIL image, the bytes or the path of a file, or an array [h, w, 3] of "
        f"uint8, got {type(source).__name__}"
    )


def _from_array(pixels: NDArray[Any], name: str) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        shape = list(pixels.shape)
        raise ValueError(
            f"{name}: expected an array [h, w, 3] of uint8, got {shape} of {pixels.dtype}"
        )
    check_size((pixels.shape[1], pixels.shape[0]), name)  # Pillow makes no image of no pixels
    return Image.fromarray(np.ascontiguousarray(pixels))
