"""Where questions come from: any data set that `datasets` opens, or the built-in benchmark.

What this is not: a list of known data sets (`labels.sources.benchmarks`). A data set is mapped to
questions by naming its columns, see `REQUIRED_COLUMNS` and `OPTIONAL_COLUMNS`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from labels.metrics.registry import METRICS, check_scorable
from labels.questions import REFERENCE, Question, QuestionSet
from labels.scenes.draws import Draw, find_draw
from labels.scenes.vocabulary import REPHRASED
from labels.sources.rows import ImageColumn, image_cell, make_question

REQUIRED_COLUMNS = ("image", "question", "answers")
OPTIONAL_COLUMNS = ("sample_id", "metric", "choices", "group", "answer_index", "context")

# Fields that may lie in several columns, named with commas between them.
SEVERAL_COLUMNS = ("image", "choices")

FILE_KINDS = {".parquet": "parquet", ".jsonl": "json", ".json": "json"}
SCENES_IMAGES = 100

QUIET_SECONDS = 2.0
"""After so long a progress bar is shown."""


@dataclass(frozen=True)
class ImageFiles:
    """Where and how the images of a data set lie in files.

    Attributes:
        folder: where relative paths start; the source's own folder if None.
        frames: frames to take of each video, which is an animated file or a folder of image files;
            None where images are still.
    """

    folder: Path | None = None
    frames: int | None = None


STILL = ImageFiles()


def load_questions(
    source: str,
    *,
    split: str = "test",
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    metric: str = "exact",
    files: ImageFiles = STILL,
) -> QuestionSet:
    """Load questions and check every one of their images.

    Args:
        source: name of a data set on the Hugging Face Hub, or NAME:CONFIGURATION, a folder
            (`save_to_disk`, or files of any kind that `datasets` knows), a .parquet, .jsonl or
            .json file, or the built-in benchmark as "scenes", "scenes:SPLIT" or, in
            words that are held out of training, "scenes:SPLIT:rephrased"; "scenes-v1" and
            "scenes-v3" are its other draws.
        split: split to take where the source has several; a single file has none.
        limit: rows to take at most, from the start; for the built-in benchmark the number of
            images to draw (100 if None).
        columns: our field -> the source's column, for fields with another name there; see
            `REQUIRED_COLUMNS` and `OPTIONAL_COLUMNS`. Images may be in several columns, named with
            commas between them, or in one as lists.
        metric: metric of the questions that do not name their own, a key of `METRICS`.
        files: where images lie, and whether they are videos.

    Returns:
        The questions. Image ids are content hashes; images are decoded again when asked for.

    Raises:
        FileNotFoundError: if the source looks like a local path and there is nothing.
        ValueError: if an argument, a column, a question or an image is not usable.

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
    draw = find_draw(source.partition(":")[0])
    if draw:
        return _load_scenes(draw, source.partition(":")[2] or split, limit)
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    path = Path(source).expanduser()
    if _looks_local(source) and not path.exists():
        raise FileNotFoundError(f"there is no data set at {source}; check the path")
    if path.is_file() and not path.stat().st_size:
        raise ValueError(f"{source} is empty; expected one question a line or row")
    with _quiet_datasets():
        dataset = _open_dataset(source, path, split)
        needed = _need_columns(metric, columns or {})
        fields = _map_columns(source, dataset.column_names, columns or {}, needed)
        image_columns = _split_columns(fields["image"], dataset.column_names)
        dataset = _keep_encoded(dataset, image_columns)
        # Before any row is read, so that a few rows of a large set are quick.
        if limit is not None:
            dataset = dataset.select(range(min(limit, len(dataset))))
    folder = files.folder or (path if path.is_dir() else path.parent)
    images = ImageColumn(dataset, image_columns, folder, files.frames)
    name = source if path.is_file() or not dataset.split else f"{source}:{dataset.split}"
    rows = _read_rows(dataset, fields, images, metric)
    return QuestionSet(name, rows, images.load, images.joined)


def _load_scenes(draw: Draw, split: str, limit: int | None) -> QuestionSet:
    from labels.scenes.benchmark import load_scenes

    name, _, words = split.partition(":")
    if words not in ("", REPHRASED):
        raise ValueError(f"expected scenes:SPLIT or scenes:SPLIT:{REPHRASED}, got scenes:{split}")
    return load_scenes(name, limit or SCENES_IMAGES, rephrased=words == REPHRASED, draw=draw)


def _looks_local(source: str) -> bool:
    return source.startswith((".", "/", "~")) or Path(source).suffix in FILE_KINDS


def _open_dataset(source: str, path: Path, split: str) -> Any:
    import datasets  # a second of import that the built-in benchmark does not need

    try:
        if path.is_file() and path.suffix in FILE_KINDS:
            kind = FILE_KINDS[path.suffix]
            # A lone file has the split "train", whatever split was asked for.
            return datasets.load_dataset(kind, data_files=str(path), split="train")
        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            return _pick_split(source, datasets.load_from_disk(str(path)), split)
        if path.exists():
            return datasets.load_dataset(str(path), split=split)
        name, _, configuration = source.partition(":")
        return datasets.load_dataset(name, configuration or None, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        # What went wrong is in the cause; `datasets` wraps it in a general message.
        reason = " ".join(str(error.__cause__ or error).split())
        raise ValueError(f"{source} cannot be read as a data set: {reason}") from error


def _pick_split(source: str, loaded: Any, split: str) -> Any:
    if not isinstance(loaded, dict):
        return loaded
    if split not in loaded:
        raise ValueError(f"{source} has no split {split!r}; it has: {', '.join(loaded)}")
    return loaded[split]


def _need_columns(metric: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    if metric == REFERENCE or "answer_index" in columns:
        return tuple(name for name in REQUIRED_COLUMNS if name != "answers")
    return REQUIRED_COLUMNS


def _map_columns(
    source: str, present: list[str], columns: Mapping[str, str], needed: Sequence[str]
) -> dict[str, str]:
    known = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
    for field in columns:
        if field not in known:
            raise ValueError(f"unknown field {field!r} in the columns; known: {', '.join(known)}")
    mapped = {}
    for field in known:
        column = columns.get(field, field)
        names = _split_columns(column, present) if field in SEVERAL_COLUMNS else [column]
        missing = [name for name in names if name not in present]
        if not missing:
            mapped[field] = column
        elif field in needed or field in columns:
            raise ValueError(
                f"{source} has no column {missing[0]!r} for the field {field!r}; it has: "
                f"{', '.join(present)}; name the right one as {field}=COLUMN"
            )
    return mapped


def _split_columns(column: str, present: list[str]) -> list[str]:
    # A column may have a comma in its name, so the whole name is tried first.
    return [column] if column in present else column.split(",")


def _keep_encoded(dataset: Any, columns: list[str]) -> Any:
    import datasets

    # The data set must not decode images itself: their bytes are checked and hashed first.
    encoded = datasets.Image(decode=False)
    for column in columns:
        feature = dataset.features[column]
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(column, encoded)
        elif isinstance(getattr(feature, "feature", None), datasets.Image):
            dataset = dataset.cast_column(column, datasets.List(encoded))
    return dataset


def _read_rows(
    dataset: Any, fields: Mapping[str, str], images: ImageColumn, metric: str
) -> Iterator[Question]:
    # The bar appears only if reading takes long, and only on a terminal.
    rows = tqdm(dataset, desc="reading", unit=" rows", delay=QUIET_SECONDS, disable=None)
    for index, row in enumerate(rows):
        sample_id = str(row[fields["sample_id"]]) if "sample_id" in fields else str(index)
        name = f"sample {sample_id!r}"
        image_id = images.register(index, image_cell(row, images.columns), name)
        question = make_question(row, fields, sample_id, {"image_id": image_id, "metric": metric})
        check_scorable(question)
        yield question


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    import datasets

    were_off = datasets.are_progress_bars_disabled()
    verbosity = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it logs, it raises as well
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if not were_off:
            datasets.enable_progress_bars()
