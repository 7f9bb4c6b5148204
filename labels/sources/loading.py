"""Where questions come from: any data set with the columns, or the built-in benchmark.

What this is not: a list of known data sets (`labels.sources.benchmarks`). A data set is mapped to
questions by naming its columns, see `labels.sources.columns`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm.auto import tqdm

from labels.cells import read_text
from labels.metrics.registry import METRICS, check_scorable
from labels.questions import REFERENCE, Question, QuestionSet
from labels.scenes.draws import Draw, find_draw
from labels.scenes.vocabulary import REPHRASED
from labels.sources.columns import REQUIRED_COLUMNS, map_columns, take_cell
from labels.sources.files.folders import open_files
from labels.sources.files.joining import join
from labels.sources.files.table import Record
from labels.sources.opening import SPLIT_COLUMN, Opened, open_source
from labels.sources.rows import Fields, ImageColumn, image_cell, make_question
from m3_backbone.serialization import one_line, show

SCENES_IMAGES = 100
"""Scenes of a split where no limit is given."""

SHOWN = 10
"""Bad rows that a message names."""

QUIET_SECONDS = 2.0
"""After so long a progress bar is shown."""


@dataclass(frozen=True)
class Reading:
    """How a source is read, beside its columns.

    Attributes:
        folder: where relative image paths start; the source's own folder if None.
        frames: frames to take of each video, which is an animated file or a folder of image files;
            None where images are still.
        field: where a .json file holds its rows; found by itself if None.
        answers: a second file with the answers, joined by the sample id; None if the source has
            them.
        skip_bad: whether to leave out rows that cannot be used; else they are an error.
        list_bad: writes all of them to a file, one line each, where a message holds only the first.
    """

    folder: Path | None = None
    frames: int | None = None
    field: str | None = None
    answers: Path | None = None
    skip_bad: bool = False
    list_bad: Callable[[Sequence[str]], Path] | None = None


PLAIN = Reading()


def load_questions(
    source: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    reading: Reading = PLAIN,
) -> QuestionSet:
    """Load questions and check every one of their images.

    Args:
        source: a file or folder, see `labels.sources.opening`; name of a data set on the Hugging
            Face Hub, or NAME:CONFIGURATION; or the built-in benchmark as "scenes", "scenes:SPLIT"
            or, in words that are held out of training, "scenes:SPLIT:rephrased"; "scenes-v1" and
            "scenes-v3" are its other draws.
        split: split to take; if None "test", but of a file all rows, whatever their split.
        limit: rows to take at most, from the start; for the built-in benchmark the number of
            images to draw (100 if None).
        columns: our field -> the source's column, for fields with another name there.
        metric: metric of the questions that do not name their own, a key of `METRICS`;
            if None, `choice` where an option is right, else `exact`.
        reading: where images lie, and what else there is to say.

    Returns:
        The questions. Image ids are content hashes; images are decoded again when asked for.

    Raises:
        ValueError: if an argument or a column is not usable; or if rows are not, and `reading` does
            not leave them out. A path without anything is a FileNotFoundError.

    >>> import json
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (32, 32), "red").save(Path(folder) / "mug.png")
    ...     row = {"image": "mug.png", "question": "What colour is it?", "answers": ["red"]}
    ...     path = Path(folder) / "own.jsonl"
    ...     _ = path.write_text(json.dumps(row))
    ...     questions = load_questions(str(path), metric="exact")
    >>> questions[0].question, questions[0].answers
    ('What colour is it?', ('red',))
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    columns = columns or {}
    draw = find_draw(source.partition(":")[0])
    if draw:
        if ":" not in source and Path(source).exists():
            raise ValueError(
                f"{source} is the built-in benchmark and also a path; name {source}:test or "
                f"./{source}"
            )
        _refuse_unused(source, split, {"--column": columns, "--metric": metric}, reading)
        return _load_scenes(draw, source.partition(":")[2] or split or "test", limit)
    if metric not in (None, *METRICS):
        raise ValueError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    opened = open_source(source, split, limit, reading.field)
    if reading.answers is not None:
        key = columns.get("sample_id", "sample_id")
        answers = open_files([reading.answers])
        opened = replace(opened, table=join(opened.table, answers, key.split("|")))
    present = opened.table.columns
    fields = map_columns(source, present, columns, _need_columns(metric, {*columns, *present}))
    folder = reading.folder or opened.folder
    images = ImageColumn(opened.table.rows, fields["image"], folder, reading.frames)
    questions, bad = _read_rows(opened, fields, images, metric, limit)
    if bad and not (reading.skip_bad and questions):
        raise ValueError(_describe_bad(opened.name, bad, len(bad) + len(questions), reading))
    return QuestionSet(opened.name, questions, images.load, images.joined, tuple(bad))


def is_scenes(source: str) -> bool:
    """Tell whether a source is the built-in benchmark."""
    return find_draw(source.partition(":")[0]) is not None


def _refuse_unused(
    source: str, split: str | None, given: Mapping[str, object], reading: Reading
) -> None:
    words = {
        "--split": split if ":" in source else None,
        **given,
        "--image-folder": reading.folder,
        "--frames": reading.frames,
        "--field": reading.field,
        "--answers": reading.answers,
        "--skip-bad": reading.skip_bad,
    }
    for option, value in words.items():
        if value:
            raise ValueError(f"{source} takes no {option}: the benchmark says all that itself")


def _load_scenes(draw: Draw, split: str, limit: int | None) -> QuestionSet:
    from labels.scenes.benchmark import load_scenes

    name, _, words = split.partition(":")
    if words not in ("", REPHRASED):
        raise ValueError(f"expected scenes:SPLIT or scenes:SPLIT:{REPHRASED}, got scenes:{split}")
    return load_scenes(name, limit or SCENES_IMAGES, rephrased=words == REPHRASED, draw=draw)


def _need_columns(metric: str | None, names: Collection[str]) -> tuple[str, ...]:
    if metric == REFERENCE or "answer_index" in names:
        return tuple(name for name in REQUIRED_COLUMNS if name != "answers")
    return REQUIRED_COLUMNS


def _read_rows(
    opened: Opened, fields: Fields, images: ImageColumn, metric: str | None, limit: int | None
) -> tuple[list[Question], list[str]]:
    questions: list[Question] = []
    bad: list[str] = []
    known: set[str] = set()
    others: set[str] = set()
    # The bar appears only if reading takes long, and only on a terminal.
    numbers = range(len(opened.table.rows))
    for index in tqdm(numbers, "reading", unit=" rows", delay=QUIET_SECONDS, disable=None):
        if len(questions) + len(bad) == limit:
            break
        try:
            row = opened.table.rows[index]
            if opened.split and (other := _other_split(row, opened.split)):
                others.add(other)
                continue
            question = _read_row(index, row, fields, images, metric)
            if question.sample_id in known:
                raise ValueError(
                    f"sample {show(question.sample_id)} occurs twice; sample ids must be unique"
                )
            known.add(question.sample_id)
            questions.append(question)
        except (ValueError, OSError) as error:
            bad.append(one_line(error))
    if others and not questions and not bad:
        there = ", ".join(sorted(others)[:8])
        raise ValueError(f"{opened.name} has no row of the split {opened.split!r}; it has: {there}")
    return questions, bad


def _read_row(
    index: int, row: Record, fields: Fields, images: ImageColumn, metric: str | None
) -> Question:
    names = fields.get("sample_id")
    where = f"row {index + 1}, column {names[0]!r}" if names else ""
    named = read_text(take_cell(row, names[0]), where) if names else ""
    sample_id = named or str(index)
    image_id = images.register(index, image_cell(row, images.columns), f"sample {show(sample_id)}")
    image_ids = (image_id, *images.joined.get(image_id, ()))
    question = make_question(row, fields, sample_id, image_ids, metric)
    check_scorable(question)
    return question


def _other_split(row: Record, split: str) -> str:
    """Name the split of a row that belongs to another one."""
    name = read_text(row.get(SPLIT_COLUMN), f"column {SPLIT_COLUMN!r}")
    return "" if name == split else name or "none"


def _describe_bad(source: str, bad: Sequence[str], total: int, reading: Reading) -> str:
    message = (
        f"{source}: {len(bad)} of {total} rows cannot be used, which --skip-bad would leave out: "
        f"{'; '.join(bad[:SHOWN])}"
    )
    if len(bad) <= SHOWN:
        return message
    listed = f", all in {reading.list_bad(bad)}" if reading.list_bad else ""
    return f"{message}; and {len(bad) - SHOWN} more{listed}"
