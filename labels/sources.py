"""Where questions come from: any data set that `datasets` opens, or the built-in benchmark.

What this is not: a list of known data sets (`labels.presets`). A data set is mapped to questions
by naming its columns; the few fields that count are in `REQUIRED_COLUMNS` and `OPTIONAL_COLUMNS`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from labels.metrics import METRICS, check_judgeable
from labels.questions import REFERENCE, Question, QuestionSet
from labels.rows import ImageColumn, make_question

REQUIRED_COLUMNS = ("image", "question", "answers")
OPTIONAL_COLUMNS = ("sample_id", "metric", "choices", "group", "answer_index", "context")
FILE_KINDS = {".parquet": "parquet", ".jsonl": "json", ".json": "json"}
SCENES = "scenes"
SCENES_IMAGES = 100
QUIET_SECONDS = 2.0


def load_questions(
    source: str,
    *,
    split: str = "test",
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    metric: str = "exact",
    image_folder: Path | None = None,
) -> QuestionSet:
    """Load questions and check every one of their images.

    Args:
        source: name of a data set on the Hugging Face Hub, or NAME:CONFIGURATION, a folder
            (`save_to_disk`, or files of any kind that `datasets` knows), a .parquet, .jsonl or
            .json file, or the built-in benchmark as "scenes" or "scenes:SPLIT".
        split: split to take where the source has several; a single file has none.
        limit: rows to take at most, from the start; for the built-in benchmark the number of
            images to draw (100 if None).
        columns: our field -> the source's column, for fields with another name there; see
            `REQUIRED_COLUMNS` and `OPTIONAL_COLUMNS`.
        metric: judge of the questions that do not name their own, a key of `METRICS`.
        image_folder: where relative image paths start; the source's own folder if None.

    Returns:
        The questions. Image ids are content hashes; images are decoded again when asked for.

    Raises:
        FileNotFoundError: if the source looks like a local path and there is nothing.
        ValueError: if an argument, a column, a question or an image is not usable.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    if source.partition(":")[0] == SCENES:
        return _load_scenes(source.partition(":")[2] or split, limit)
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
        dataset = _keep_encoded(dataset, fields["image"])
        if limit is not None:
            dataset = dataset.select(range(min(limit, len(dataset))))
    folder = image_folder or (path if path.is_dir() else path.parent)
    images = ImageColumn(dataset, fields["image"], folder)
    name = source if path.is_file() or not dataset.split else f"{source}:{dataset.split}"
    return QuestionSet(name, _read_rows(dataset, fields, images, metric), images.load)


def _load_scenes(split: str, limit: int | None) -> QuestionSet:
    from labels.scenes import load_scenes  # draws with matplotlib's fonts; others need neither

    return load_scenes(split, limit or SCENES_IMAGES)


def _looks_local(source: str) -> bool:
    return source.startswith((".", "/", "~")) or Path(source).suffix in FILE_KINDS


def _open_dataset(source: str, path: Path, split: str) -> Any:
    import datasets  # a second of import that the built-in benchmark does not need

    try:
        if path.is_file() and path.suffix in FILE_KINDS:
            kind = FILE_KINDS[path.suffix]
            return datasets.load_dataset(kind, data_files=str(path), split="train")
        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            return _pick_split(source, datasets.load_from_disk(str(path)), split)
        if path.exists():
            return datasets.load_dataset(str(path), split=split)
        name, _, configuration = source.partition(":")
        return datasets.load_dataset(name, configuration or None, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
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
    mapped = {field: columns.get(field, field) for field in known}
    there = {field: _is_there(column, field, present) for field, column in mapped.items()}
    for field, column in mapped.items():
        if not there[field] and (field in needed or field in columns):
            raise ValueError(
                f"{source} has no column {column!r} for the field {field!r}; it has: "
                f"{', '.join(present)}; name the right one as {field}=COLUMN"
            )
    return {field: column for field, column in mapped.items() if there[field]}


def _is_there(column: str, field: str, present: list[str]) -> bool:
    parts = column.split(",") if field == "choices" else [column]
    return column in present or set(parts) <= set(present)


def _keep_encoded(dataset: Any, column: str) -> Any:
    import datasets

    kind, encoded = dataset.features[column], datasets.Image(decode=False)
    if isinstance(kind, datasets.Image):
        return dataset.cast_column(column, encoded)
    if isinstance(kind, datasets.List) and isinstance(kind.feature, datasets.Image):
        return dataset.cast_column(column, datasets.List(encoded))
    return dataset


def _read_rows(
    dataset: Any, fields: Mapping[str, str], images: ImageColumn, metric: str
) -> Iterator[Question]:
    # The bar shows only where reading takes a while, and only to a person.
    rows = tqdm(dataset, desc="reading", unit=" rows", delay=QUIET_SECONDS, disable=None)
    for index, row in enumerate(rows):
        sample_id = str(row[fields["sample_id"]]) if "sample_id" in fields else str(index)
        name = f"sample {sample_id!r}"
        image_id = images.register(index, row[fields["image"]], name)
        question = make_question(row, fields, sample_id, {"image_id": image_id, "metric": metric})
        check_judgeable(question)
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
