"""From a row of any data set to a question, and from an image cell to pixels.

What this is not: a reader of files; `labels.sources` opens the data set and knows its columns.
"""

import ast
import hashlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

from PIL import Image, ImageOps, UnidentifiedImageError

from labels.questions import Question, image_fingerprint
from m3_backbone.images import check_image

NOTHING = "nan"
"""How data sets that went through pandas write a cell without text."""

Row = Mapping[str, Any]


class Rows(Protocol):
    """What is needed of a data set: rows by number."""

    def __getitem__(self, index: int) -> Row:
        """Read one row."""
        ...


class ImageColumn:
    """The images of a data set, decoded when asked for and never kept.

    Args:
        rows: the data set; image cells are paths, bytes, or a dict of both.
        column: name of the image column.
        folder: where relative paths start.
    """

    def __init__(self, rows: Rows, column: str, folder: Path) -> None:
        self._rows = rows
        self._column = column
        self._folder = folder
        self._first_row: dict[str, int] = {}
        self._known_files: dict[bytes, str] = {}

    def register(self, index: int, cell: object, name: str) -> str:
        """Check the image of a row and remember where it is.

        Args:
            index: number of the row.
            cell: content of its image column.
            name: what to call the sample in messages.

        Returns:
            The content hash of the image; files with the same bytes are decoded once.
        """
        data = _read_bytes(cell, self._folder, name)
        digest = hashlib.sha256(data).digest()
        if digest not in self._known_files:
            image_id = image_fingerprint(decode_image(data, name))
            self._known_files[digest] = image_id
            self._first_row.setdefault(image_id, index)
        return self._known_files[digest]

    def load(self, image_id: str) -> Image.Image:
        """Decode one image.

        Args:
            image_id: content hash, as `register` returned it.

        Returns:
            The image in RGB.

        Raises:
            ValueError: if no row holds such an image.
        """
        if image_id not in self._first_row:
            raise ValueError(f"no image with the id {image_id!r} among the rows that were read")
        index = self._first_row[image_id]
        name = f"row {index}"
        cell = self._rows[index][self._column]
        return decode_image(_read_bytes(cell, self._folder, name), name)


def decode_image(data: bytes, name: str) -> Image.Image:
    """Decode an image file that is in memory.

    Args:
        data: content of the file.
        name: what to call it in messages.

    Returns:
        The image in RGB, upright.

    Raises:
        ValueError: if it is no image, is cut short, or has a size that no model takes.
    """
    try:
        image = Image.open(BytesIO(data))
    except UnidentifiedImageError as error:
        raise ValueError(f"{name}: not an image that Pillow can read") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name}: the image cannot be opened: {error}") from error
    check_image(image, name)
    return ImageOps.exif_transpose(image).convert("RGB")


def make_question(row: Row, columns: Mapping[str, str], sample_id: str, defaults: Row) -> Question:
    """Build the question of a row.

    Args:
        row: the row.
        columns: our field -> the row's column, for the fields that the data set has.
        sample_id: name of the sample.
        defaults: values of fields that have no column: `image_id` and `metric`.

    Returns:
        The question.
    """
    choices = _read_choices(row, columns.get("choices"), sample_id)
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


def _read_text(row: Row, column: str | None) -> str:
    value = row[column] if column is not None else None
    return "" if value is None else str(value)


def _read_texts(row: Row, column: str | None) -> tuple[str, ...]:
    value = row[column] if column is not None else None
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (str(value),)
    # VQAv2 and its kin keep each answer in a dict with the person's confidence.
    cells = [cell["answer"] if isinstance(cell, Mapping) else cell for cell in value]
    return tuple(str(cell) for cell in cells if cell is not None)


def _read_choices(row: Row, column: str | None, sample_id: str) -> tuple[str, ...]:
    if column is None:
        return ()
    if column not in row:  # one column an option, and empty ones where there are fewer
        texts = (_read_text(row, name) for name in column.split(","))
        return tuple(text for text in texts if text not in ("", NOTHING))
    cell = row[column]
    if not isinstance(cell, str):
        return _read_texts(row, column)
    try:
        return tuple(str(option) for option in ast.literal_eval(cell))  # MMMU's lists are text
    except (ValueError, SyntaxError, TypeError) as error:
        raise ValueError(
            f"sample {sample_id!r}: expected a list of choices, got the text {cell!r}"
        ) from error


def _pick_choice(choices: tuple[str, ...], index: object, sample_id: str) -> str:
    position = int(str(index)) if str(index).isdigit() else len(choices)
    if position >= len(choices):
        raise ValueError(
            f"sample {sample_id!r}: expected the number of one of its {len(choices)} choices, "
            f"counted from 0, got {index!r}"
        )
    return choices[position]


def _read_bytes(cell: object, folder: Path, name: str) -> bytes:
    if isinstance(cell, list) and len(cell) == 1:
        cell = cell[0]
    if isinstance(cell, Mapping):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes):
        return cell
    if not isinstance(cell, str) or not cell:
        raise ValueError(
            f"{name}: expected an image (bytes, or a path as text), got {type(cell).__name__}"
        )
    path = folder / cell
    if not path.is_file():
        raise FileNotFoundError(f"{name}: there is no image file {path}")
    return path.read_bytes()
