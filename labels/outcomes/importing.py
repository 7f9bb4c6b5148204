"""Imports outcomes that another tool measured, as a finished labelling run.

Reads one lmms-eval sample log per scale, or any table with one row per sample and scale. What this
is not: a metric; scores are taken as they come. There are no features, so no router can be trained
on such a table; audits and oracles need none.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labels.outcomes.formats import Features, Value, pack_features, pack_outcomes, pack_questions
from labels.outcomes.manifest import (
    CODE_VERSION,
    IMPORTED,
    MANIFEST,
    QUESTIONS_FILE,
    Manifest,
    package_version,
    write_manifest,
)
from labels.outcomes.parts import FEATURES, TABLE, Part, prepare_folder, write_part
from labels.questions import REFERENCE, Question, fingerprint_questions
from m3_backbone.files import write_atomically
from m3_backbone.serialization import parse_json, sha256

REQUIRED = ("sample_id", "scale", "answer", "score")
OPTIONAL = ("group", "image_id", "cost", "question", "target")

NO_FEATURES = Features(
    # "e" is half precision; the shapes are those of no sample and no image.
    np.zeros(0, np.str_),
    np.zeros(0, np.int64),
    np.zeros((0, 10, 1), "e"),
    np.zeros((0, 1), "e"),
)

Record = dict[str, Any]
"""One row of a table or log; in our fields, once it was read."""


def read_table_rows(path: Path, columns: Mapping[str, str]) -> list[Record]:
    """Read a CSV or JSONL table with one row per sample and scale.

    Args:
        path: a .csv file, or a file with one JSON object per line.
        columns: our field -> the table's column, for `REQUIRED` and `OPTIONAL` fields.

    Returns:
        Rows in our fields.

    Raises:
        ValueError: if a field is unknown or a required column is missing.
    """
    unknown = columns.keys() - {*REQUIRED, *OPTIONAL}
    if unknown:
        known = ", ".join((*REQUIRED, *OPTIONAL))
        raise ValueError(f"unknown field {min(unknown)!r} in the columns; known: {known}")
    records = _read_csv(path) if path.suffix == ".csv" else _read_jsonl(path)
    # Our fields and the table's columns for them.
    names = {field: columns.get(field, field) for field in (*REQUIRED, *OPTIONAL)}
    for line, record in enumerate(records, start=1):
        missing = [names[field] for field in REQUIRED if record.get(names[field]) is None]
        if missing:
            raise ValueError(
                f"{path}, row {line}: no value in {', '.join(missing)}; it has: "
                f"{', '.join(record)}; name the right column as FIELD=COLUMN"
            )
    return [{field: record.get(name) for field, name in names.items()} for record in records]


def read_sample_log(path: Path, scale: int, metric: str | None = None) -> list[Record]:
    """Read the sample log of one lmms-eval run (`--log_samples`).

    Args:
        path: the .jsonl file of one task.
        scale: the scale that the run used.
        metric: name of the score to take; the only one there if None.

    Returns:
        Rows in our fields; samples are known by task position and content (`doc_id`, `doc_hash`).
    """
    return [
        {
            "sample_id": f"{record.get('doc_id')}-{str(record.get('doc_hash', ''))[:8]}",
            "scale": scale,
            "answer": _first_text(record.get("filtered_resps", record.get("resps"))),
            "score": _read_score(record, metric, f"{path}, row {line}"),
            "target": record.get("target"),
            "question": _as_dict(record.get("doc")).get("question"),
        }
        for line, record in enumerate(_read_jsonl(path), start=1)
    ]


def import_outcomes(rows: Sequence[Record], folder: Path, name: str) -> Path:
    """Write imported outcomes as a finished run.

    Args:
        rows: one row per sample and scale, in our fields.
        folder: the run's folder, without a run in it.
        name: what to call the data set.

    Raises:
        ValueError: if rows are missing, double or not readable, or the folder holds a run.
    """
    if (folder / MANIFEST).exists():
        raise ValueError(f"{folder} holds a run already; choose another folder or delete it")
    outcomes = [_make_outcome(row, name) for row in rows]
    scales = _check_complete(outcomes)
    questions = _make_questions(rows)
    content = pack_outcomes(outcomes)
    settings: dict[str, str | int | list[int]] = {
        "questions": fingerprint_questions(questions),
        "checkpoint": f"{IMPORTED}-{sha256(content)[:16]}",
        "scales": scales,
        CODE_VERSION: package_version(),
    }
    images = {question.image_id for question in questions}
    manifest = Manifest(name, settings, len(questions), len(images), n_parts=1, finished=True)
    prepare_folder(folder)
    write_atomically(folder / QUESTIONS_FILE, pack_questions(questions))
    contents = {TABLE: content, FEATURES: pack_features(NO_FEATURES)}
    write_part(Part(0, 0, folder), manifest.run, contents, [])
    write_manifest(folder, manifest)  # last: a folder without it holds no run
    return folder


def _make_outcome(row: Record, name: str) -> dict[str, Value]:
    sample = str(row["sample_id"])
    try:
        scale = _read_count(row["scale"])
        score = float(row["score"])
        cost = scale if row.get("cost") in (None, "") else _read_count(row["cost"])
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"sample {sample!r}: {str(error)[:160]}; expected numbers") from error
    if not 0 <= score <= 1:
        raise ValueError(
            f"sample {sample!r}: expected a score in [0, 1], got {score} at scale {scale}"
        )
    return {
        "sample_id": sample,
        "image_id": _read_name(row.get("image_id"), sample),
        "dataset": name,
        "group": _read_name(row.get("group"), ""),
        "scale": scale,
        "answer": str(row["answer"]),
        "score": score,
        "parse_ok": bool(str(row["answer"]).strip()),
        "mean_logprob": math.nan,
        "first_margin": math.nan,
        "visual_tokens": cost,
        "prompt_tokens": 0,
        "output_tokens": 0,
        "flops": math.nan,
        "wall_ms": math.nan,
        "batch_size": 0,
        "batch_shape": "",
        "dtype": "",
        "attention": "",
        "checkpoint": IMPORTED,
        "prompt_id": "",
        "code_version": package_version(),
    }


def _check_complete(outcomes: Sequence[Mapping[str, Value]]) -> list[int]:
    if not outcomes:
        raise ValueError("nothing to import: expected one row per sample and scale, got none")
    scales_of: dict[str, list[int]] = {}  # sample id -> scales of its rows
    for outcome in outcomes:
        scales_of.setdefault(str(outcome["sample_id"]), []).append(int(outcome["scale"]))
    scales = sorted(set().union(*scales_of.values()))
    for sample, present in scales_of.items():
        missing = [scale for scale in scales if scale not in present]
        double = sorted({scale for scale in present if present.count(scale) > 1})
        if missing or double:
            fault = "lacks" if missing else "has more than one row of"
            raise ValueError(
                f"sample {sample!r} {fault} scale {', '.join(map(str, missing or double))}; "
                f"expected one row for each of {scales}"
            )
    return scales


def _make_questions(rows: Sequence[Record]) -> list[Question]:
    first: dict[str, Record] = {}  # sample id -> its first row
    for row in rows:
        first.setdefault(str(row["sample_id"]), row)
    return [_make_question(name, row) for name, row in first.items()]


def _make_question(name: str, row: Record) -> Question:
    target = row.get("target")
    answers = tuple(map(str, target)) if isinstance(target, list) else (str(target),)
    known = target not in (None, "", [])
    return Question(
        sample_id=name,
        image_id=_read_name(row.get("image_id"), name),
        question=_read_name(row.get("question"), name),
        answers=answers if known else (),
        metric="exact" if known else REFERENCE,
        group=_read_name(row.get("group"), ""),
    )


def _read_count(value: object) -> int:
    # A bool, a fraction and what no table can hold are refused.
    number = float(value) if isinstance(value, int | float | str) else math.nan
    if isinstance(value, bool) or not number.is_integer() or not 1 <= number < 2**53:
        raise ValueError(f"expected a whole number of tokens of at least 1, got {value!r}")
    return int(number)


def _read_name(value: object, default: str) -> str:
    """Read the text of a cell: 0 and false are names as good as any."""
    return default if value is None or value == "" else str(value)


def _read_csv(path: Path) -> list[Record]:
    try:
        # utf-8-sig drops the mark that spreadsheets put first; newline="" is csv's own wish.
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = [dict(record) for record in csv.DictReader(file, restkey="")]
    except csv.Error as error:
        raise ValueError(f"{path}: expected a CSV table: {error}") from error
    for row, record in enumerate(records, start=1):
        # Surplus cells gather under the restkey.
        if record.pop("", None) is not None:
            raise ValueError(f"{path}, row {row}: it has more cells than the table has columns")
    return records


def _read_jsonl(path: Path) -> list[Record]:
    # Not splitlines: JSON may hold other separators, such as U+2028, inside a text.
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    try:
        return [dict(parse_json(line)) for line in lines if line.strip()]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: expected one JSON object per line: {error}") from error


def _first_text(value: object) -> str:
    # Answers may come as nested lists, of which the first text counts.
    while isinstance(value, list) and value:
        value = value[0]
    return "" if value is None or value == [] else str(value)


def _as_dict(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _read_number(number: float, where: str) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise ValueError(f"{where}: expected a score, got a number of many digits") from error


def _read_score(record: Record, metric: str | None, where: str) -> float:
    scores = {}
    for key, value in record.items():
        number = value.get("score") if isinstance(value, dict) else value
        # A score is a number, or a dict that holds one; the task's position is none.
        if key != "doc_id" and isinstance(number, bool | int | float):
            scores[key] = _read_number(number, where)
    if metric is None and len(scores) == 1:
        return next(iter(scores.values()))
    if metric not in scores:
        raise ValueError(
            f"{where}: expected the name of one of its scores ({', '.join(scores) or 'none'}), got "
            f"{metric or 'no name'}"
        )
    return scores[metric]
