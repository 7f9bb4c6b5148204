"""Sample logs of lmms-eval (`--log_samples`): one JSON line a sample, one file a task and scale.

Two layouts: releases that log the document `doc` (the first ones in one JSON file, under `logs`),
and those that leave it out and log the prompt in `input` (0.7.3), where `doc_hash` is the same in
every row and the target is a text.
"""

import math
from collections.abc import Iterator, Mapping

from labels.cells import (
    parse_list,
    read_option_columns,
    read_options,
    read_text,
    read_texts,
)
from labels.importing.cells import TRUTHS, Record, read_counts, read_name
from labels.importing.verdicts import find_verdicts
from labels.questions import LETTERS, image_fingerprint
from m3_backbone.data_uris import is_data_uri, read_data_uri
from m3_backbone.images import decode_image
from m3_backbone.serialization import short_hash, show

FIELDS: Mapping[str, tuple[str, ...]] = {
    "sample_id": ("doc_id",),
    "question": ("question", "query", "problem"),
    "group": ("category", "group"),
    "image_id": (
        *("image_id", "imageId", "image_source", "image_path", "image_name", "image_file"),
        *("img_id", "image"),
    ),
}
"""Our field -> where documents and metrics have it; the first that is there."""

PAIR = 2
"""Values of a response in multiple choice: its loss, and whether decoding would have given it."""

LONGEST_NAME = 200
"""Characters of an image's name; a longer text is the image itself, in some writing."""


def read_row(record: Record, columns: Mapping[str, str], where: str) -> Record:
    """Read a row of either layout.

    Args:
        record: the row.
        columns: our field -> the key in the document, the row or a metric, where it is another.
        where: file and row, for messages.

    Returns:
        An answer in our fields, with all its verdicts, and a scale only where the log has it.
    """
    logged = record.get("doc")
    doc: Record = logged if isinstance(logged, dict) else {}
    metrics = [value for value in record.values() if isinstance(value, dict) and value is not doc]
    places = [doc, *metrics]
    found = {field: _find(field, places, record, columns, where) for field in FIELDS}
    images = name_images(found["image_id"], where)
    return {
        "sample_id": found["sample_id"],
        "doc_hash": record.get("doc_hash"),
        "answer": _read_answer(_take_responses(record), where),
        "verdicts": find_verdicts(record),
        "target": read_texts(record.get("target"), where),
        "question": record.get("input") if found["question"] is None else found["question"],
        "choices": _read_choices(doc, where),
        "group": found["group"],
        "image_id": images or name_images(record.get("input_media"), where),
        **_count_tokens(record.get("token_counts"), where),
    }


def name_images(value: object, where: str) -> str | tuple[str, ...]:
    """Name the images of a question by what a log has of them.

    Args:
        value: path, address, number, data URI or base64 of an image; or a list of these.
        where: file and row, for messages.

    Returns:
        The name, of a data URI the content hash of its image, as `label` gives it; of several
        images a name each; empty for none.
    """
    cells = value if isinstance(value, list) else [value]
    names = [_name_image(cell, where) for cell in cells if isinstance(cell, str | int | float)]
    names = [name for name in names if name]
    return tuple(names) if len(names) > 1 else "".join(names)


def _name_image(cell: str | float, where: str) -> str:
    name = read_name(cell, where)
    if is_data_uri(name):
        title = f"{where}: its image"
        return image_fingerprint(decode_image(read_data_uri(name, title), title))
    return name if len(name) <= LONGEST_NAME else short_hash(name)


def _find(
    field: str, places: list[Record], record: Record, columns: Mapping[str, str], where: str
) -> object:
    """Find a field in the document and the metrics; under a given name in the row itself too.

    Raises:
        ValueError: if nothing has the given name.
    """
    if field not in columns:
        own = record if field == "sample_id" else {}
        return next(_look_up([own, *places], FIELDS[field]), None)
    name = columns[field]
    # Of the row first: its keys are few and known.
    for value in _look_up([record, *places], (name,)):
        return value
    keys = dict.fromkeys(key for place in [record, *places] for key in place)
    raise ValueError(f"{where}: no {name!r} for the field {field!r}; it has: {', '.join(keys)}")


def _look_up(places: list[Record], names: tuple[str, ...]) -> Iterator[object]:
    for place in places:
        for name in names:
            # An image that is logged as a dict or such has no name.
            if isinstance(place.get(name), str | int | float | list):
                yield place[name]


def _read_choices(doc: Record, where: str) -> tuple[str, ...]:
    for name in ("choices", "options"):
        cell = doc.get(name)
        # Options in running text are left to the prompt.
        if cell and not (isinstance(cell, str) and parse_list(cell) is None):
            return read_options(cell, where)
    return read_lettered(doc, where)


def read_lettered(record: Record, where: str) -> tuple[str, ...]:
    """Read options that lie in the columns A, B, ...

    Args:
        record: the row.
        where: file and row, for messages.

    Returns:
        The options up to the last one that is there; an empty one keeps its place.
    """
    return read_option_columns([record.get(letter) for letter in LETTERS], where)


def _count_tokens(value: object, where: str) -> dict[str, int]:
    # One entry for each request of the sample; None where the model counted nothing.
    counts = value[0] if isinstance(value, list) and value else value
    return read_counts(counts, where) if isinstance(counts, dict) else {}


def _take_responses(record: Record) -> object:
    filtered = record.get("filtered_resps")
    return record.get("resps") if filtered is None else filtered


def _read_answer(responses: object, where: str) -> str:
    """Read what was answered: a text, or the letter of the option with the least loss."""
    losses = _read_losses(responses, where)
    if losses:
        return LETTERS[losses.index(min(losses))]
    # Answers may come as nested lists, of which the first text counts.
    while isinstance(responses, list) and responses:
        responses = responses[0]
    return read_text(None if responses == [] else responses, where)


def _read_losses(responses: object, where: str) -> list[float]:
    """Read the loss of each option, which multiple choice logs with whether it was the likeliest.

    Raises:
        ValueError: if one is no number, or there are more options than letters.
    """
    several = responses if isinstance(responses, list) and len(responses) > 1 else []
    # Before they are filtered, the responses to each option are a list of their own.
    inner = [one[0] for one in several if isinstance(one, list) and len(one) == 1]
    several = inner if inner and len(inner) == len(several) else several
    pairs = [one for one in several if isinstance(one, list) and len(one) == PAIR]
    if not pairs or len(pairs) < len(several) or any(str(flag) not in TRUTHS for _, flag in pairs):
        return []
    try:
        losses = [float(loss) for loss, _ in pairs]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: expected the loss of each option, got {show(pairs)}") from error
    if any(math.isnan(loss) for loss in losses) or len(losses) > len(LETTERS):
        raise ValueError(f"{where}: expected the loss of each option, got {show(pairs)}")
    return losses
