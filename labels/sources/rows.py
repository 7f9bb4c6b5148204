"""Turns a row of any data set into a question, and its image cells into images.

What this is not: a reader of files; `labels.sources.loading` opens the data set and knows its
columns.
"""

import ast
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from labels.questions import Question, image_fingerprint, join_fingerprints
from labels.sources.image_cells import Picture, list_pictures
from m3_backbone.videos import decode_frames

NOTHING = "nan"
"""How data sets that went through pandas write a cell without text."""

Record = Mapping[str, Any]
"""One row of a data set: column -> cell."""


class ImageColumn:
    """The images of a data set, decoded when asked for and never kept.

    Attributes:
        columns: names of the image columns.
        joined: image id of each row that holds several images -> the ids of these.
    """

    def __init__(
        self,
        rows: Sequence[Record],
        column: str | Sequence[str],
        folder: Path,
        frames: int | None = None,
    ) -> None:
        """Remember where images are.

        Args:
            rows: the data set, read by row number; an image cell is a path, bytes, a dict of both,
                or a list of these.
            column: name of the image column; or names, if each question has images in several.
            folder: where relative paths start.
            frames: frames to take of each video; None takes the first one.
        """
        self.columns = (column,) if isinstance(column, str) else tuple(column)
        self.joined: dict[str, tuple[str, ...]] = {}
        self._rows = rows
        self._folder = folder
        self._frames = frames
        # Image id -> row, and place among the pictures of the row.
        self._first_place: dict[str, tuple[int, int]] = {}
        # Hash of a file and number of a frame -> image id.
        self._known_files: dict[tuple[bytes, int], str] = {}

    def register(self, index: int, cell: object, name: str) -> str:
        """Check that the images of a row can be opened, and remember where they are.

        Args:
            index: number of the row.
            cell: content of its image column, or a list of those of several.
            name: what to call the sample in messages.

        Returns:
            The content hash of the image, or of the row's images in their order; files with the
            same bytes are decoded once.
        """
        pictures = list_pictures(cell, self._folder, self._frames, name)
        ids: tuple[str, ...] = ()
        for picture in pictures:
            ids += self._identify(picture, (index, len(ids)), name)
        image_id = join_fingerprints(ids)
        # A single image is known by its own hash and need not be looked up.
        if len(ids) > 1:
            self.joined[image_id] = ids
        return image_id

    def load(self, image_id: str) -> Image.Image:
        """Decode one image.

        Args:
            image_id: content hash of a single image.

        Returns:
            The image in RGB.

        Raises:
            ValueError: if no row holds such an image.
        """
        if image_id not in self._first_place:
            raise ValueError(f"no image with the id {image_id!r} among the rows that were read")
        # Only where the image is was remembered, so the row is read again.
        index, place = self._first_place[image_id]
        name = f"row {index}"
        cell = image_cell(self._rows[index], self.columns)
        pictures = list_pictures(cell, self._folder, self._frames, name)
        picture, frame = [(one, frame) for one in pictures for frame in one.frames][place]
        [image] = decode_frames(picture.read(name), name, [frame])
        return image

    def _identify(self, picture: Picture, place: tuple[int, int], name: str) -> tuple[str, ...]:
        """Hash the pictures of a file; `place` is the row, and the place of the first in it."""
        data = picture.read(name)
        keys = [(hashlib.sha256(data).digest(), frame) for frame in picture.frames]
        if not all(key in self._known_files for key in keys):  # equal bytes are decoded once
            index, first = place
            decoded = decode_frames(data, name, picture.frames)
            for number, (key, image) in enumerate(zip(keys, decoded, strict=True), first):
                self._known_files[key] = image_fingerprint(image)
                # Other bytes with the same pixels, such as another format, are the same image.
                self._first_place.setdefault(self._known_files[key], (index, number))
        return tuple(self._known_files[key] for key in keys)


def image_cell(row: Record, columns: Sequence[str]) -> object:
    """Take the cell of the one image column of a row, or the list of the cells of several."""
    cells = [row[column] for column in columns]
    return cells[0] if len(cells) == 1 else cells


def make_question(
    row: Record, columns: Mapping[str, str], sample_id: str, defaults: Record
) -> Question:
    """Build the question of a row.

    Args:
        row: the row.
        columns: our field -> the row's column, for the fields that the data set has.
        sample_id: name of the sample.
        defaults: values of fields that have no column: `image_id` and `metric`.
    """
    choices = _read_choices(row, columns.get("choices"), sample_id)
    # A hint stands on a line of its own before the question.
    lines = (_read_text(row, columns.get(field)) for field in ("context", "question"))
    answers = _read_texts(row, columns.get("answers"))
    if "answer_index" in columns:
        answers = (_pick_choice(choices, row[columns["answer_index"]], sample_id),)
    return Question(
        sample_id=sample_id,
        image_id=defaults["image_id"],
        question="\n".join(line for line in lines if line not in ("", NOTHING)),
        answers=answers,
        metric=_read_text(row, columns.get("metric")) or defaults["metric"],
        choices=choices,
        group=_read_text(row, columns.get("group")),
    )


def _read_text(row: Record, column: str | None) -> str:
    value = row[column] if column is not None else None
    return "" if value is None else str(value)


def _read_texts(row: Record, column: str | None) -> tuple[str, ...]:
    value = row[column] if column is not None else None
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (str(value),)
    # VQAv2 and similar sets keep each answer in a dict with the person's confidence.
    cells = [cell["answer"] if isinstance(cell, Mapping) else cell for cell in value]
    return tuple(str(cell) for cell in cells if cell is not None)


def _read_choices(row: Record, column: str | None, sample_id: str) -> tuple[str, ...]:
    if column is None:
        return ()
    if column not in row:  # one column per option, empty where a question has fewer
        texts = (_read_text(row, name) for name in column.split(","))
        return tuple(text for text in texts if text not in ("", NOTHING))
    cell = row[column]
    if not isinstance(cell, str):
        return _read_texts(row, column)
    try:
        return tuple(str(option) for option in ast.literal_eval(cell))  # MMMU stores lists as text
    except (ValueError, SyntaxError, TypeError) as error:
        raise ValueError(
            f"sample {sample_id!r}: expected a list of choices, got the text {cell!r}"
        ) from error


def _pick_choice(choices: tuple[str, ...], index: object, sample_id: str) -> str:
    # isdigit also refuses a minus sign, so that -1 is not taken for the last option.
    position = int(str(index)) if str(index).isdigit() else len(choices)
    if position >= len(choices):
        raise ValueError(
            f"sample {sample_id!r}: expected the number of one of its {len(choices)} choices, "
            f"counted from 0, got {index!r}"
        )
    return choices[position]
