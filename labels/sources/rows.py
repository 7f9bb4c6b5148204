"""Turns a row of any data set into a question, and its image cells into images.

What this is not: a reader of files (`labels.sources.files`) or of cells (`labels.cells`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from PIL import Image

from labels.cells import (
    NO_OPTION,
    is_empty,
    read_option_columns,
    read_options,
    read_text,
    read_texts,
)
from labels.metrics.choice import BY_OPTION, right_options
from labels.questions import Question, image_fingerprint, join_fingerprints
from labels.sources.columns import take_cell
from labels.sources.files.table import Record
from labels.sources.image_cells import Picture, list_pictures
from labels.sources.options import find_options, number_option
from m3_backbone.videos import decode_frames

USUAL_METRIC, CHOICE = "exact", "choice"
"""Metrics of questions for which nobody names one, without and with options."""

MARK = "<image>"
"""How conversations say where the image is; the prompt puts it there itself."""

TRUTHS = {"true": "yes", "false": "no"}
"""How a truth value answers a question of the metric yes_no."""

Fields = Mapping[str, Sequence[str]]
"""Our field -> the row's columns, for the fields that the data set has."""


class ImageColumn:
    """The images of a data set, decoded when asked for; of what was decoded only a video is kept.

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
        # The video that was decoded last: the place of its first frame, and number -> frame.
        self._video: tuple[tuple[int, int], dict[int, Image.Image]] = (-1, -1), {}
        self._decoding = Lock()  # threads prepare images
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
        image = self._load(image_id)
        if image_fingerprint(image) != image_id:
            row = self._first_place[image_id][0] + 1
            raise ValueError(f"the image of row {row} is another one than when it was checked")
        return image

    def _load(self, image_id: str) -> Image.Image:
        # Only where the image is was remembered, so the row is read again.
        index, place = self._first_place[image_id]
        name = f"row {index}"
        cell = image_cell(self._rows[index], self.columns)
        pictures = list_pictures(cell, self._folder, self._frames, name)
        picture, frame = [(one, frame) for one in pictures for frame in one.frames][place]
        if len(picture.frames) == 1:
            [image] = decode_frames(picture.read(name), name, [frame])
            return image
        return self._load_video(picture, (index, place - picture.frames.index(frame)), name)[frame]

    def _load_video(
        self, picture: Picture, place: tuple[int, int], name: str
    ) -> dict[int, Image.Image]:
        """Decode the frames of a video at once, which are asked for one after the other."""
        with self._decoding:
            if self._video[0] != place:
                decoded = decode_frames(picture.read(name), name, picture.frames)
                self._video = place, dict(zip(picture.frames, decoded, strict=True))
            return self._video[1]

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
    cells = [take_cell(row, column) for column in columns]
    return cells[0] if len(cells) == 1 else cells


def make_question(
    row: Record, fields: Fields, sample_id: str, image_ids: Sequence[str], metric: str | None
) -> Question:
    """Build the question of a row.

    Args:
        row: the row.
        fields: where our fields are.
        sample_id: name of the sample.
        image_ids: what the question is about: the id of its image, or of several together, and
            then the ids of these.
        metric: the metric, unless the row names its own; None for the usual one.

    Returns:
        The question; of one with options, the numbers of the right ones are known from here on.
    """
    cells = Cells(row, fields, f"sample {sample_id!r:.80}")
    named = cells.text("metric") or metric
    choices = cells.choices()
    answers, right = cells.answers(named or USUAL_METRIC, choices)
    # A hint stands on a line of its own before the question.
    context = cells.text("context")
    lines = ("" if context == NO_OPTION else context, cells.question(max(len(image_ids) - 1, 1)))
    question = Question(
        sample_id=sample_id,
        image_id=image_ids[0],
        question="\n".join(line for line in lines if line),
        answers=answers,
        metric=named or USUAL_METRIC,
        choices=choices,
        group=cells.text("group"),
        right=right,
        images=tuple(image_ids[1:]),
    )
    if named or len(choices) < 2 or not right_options(question):
        return question
    # Options are asked for by their letters, which no other metric would take for an answer.
    answers, right = cells.answers(CHOICE, choices)
    return replace(question, answers=answers, metric=CHOICE, right=right)


@dataclass(frozen=True)
class Cells:
    """The cells of one row by our fields.

    Attributes:
        row: the row.
        fields: where our fields are.
        sample: what messages call it.
    """

    row: Record
    fields: Fields
    sample: str

    def text(self, field: str) -> str:
        """Read a text, "" if there is none."""
        return read_text(self._cell(field), self._name(field))

    def question(self, images: int) -> str:
        """Read the question, without the marks of its images.

        Args:
            images: how many it has.

        Returns:
            The text, around which nothing is said about where images stand.

        Raises:
            ValueError: if there are other marks than one per image, or words between them.
        """
        text = self.text("question")
        marks = text.count(MARK)
        if not marks:
            return text
        bare = text.strip()
        together = (MARK * marks) in "".join(bare.split())
        if marks != images or not together:
            raise ValueError(
                f"{self._name('question')}: holds {MARK} {marks} times for {images} image(s); "
                "images stand in front of the question: leave the marks out"
            )
        return " ".join(text.split(MARK)).strip() if marks == 1 else text.replace(MARK, "").strip()

    def choices(self) -> tuple[str, ...]:
        """Read the options, () of an open question."""
        names = self.fields.get("choices", ())
        if len(names) > 1:
            cells = [take_cell(self.row, name) for name in names]
            return read_option_columns(cells, self._name("choices"))
        return read_options(self._cell("choices"), self._name("choices"))

    def answers(
        self, metric: str, choices: tuple[str, ...]
    ) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Read the accepted answers, and the numbers of the options that they name, if any."""
        index = self._cell("answer_index")
        # Where a table has both, a row without a number is an open question.
        if "answer_index" in self.fields and not (is_empty(index) and "answers" in self.fields):
            number = number_option(index, choices, self._name("answer_index"))
            return (choices[number],), (number,)
        cell, name = self._cell("answers"), self._name("answers")
        answers = read_texts(cell, name)
        if metric == "yes_no":
            answers = tuple(TRUTHS.get(answer.strip().lower(), answer) for answer in answers)
        if not choices or metric not in BY_OPTION:
            return answers, ()
        # A column for each option has its letter for a name, and a key names the column.
        lettered = len(self.fields["choices"]) > 1
        return answers, find_options(answers, choices, lettered, name)

    def _cell(self, field: str) -> object:
        names = self.fields.get(field)
        return take_cell(self.row, names[0]) if names else None

    def _name(self, field: str) -> str:
        names = self.fields.get(field, (field,))
        return f"{self.sample}, column {','.join(names)!r}"
