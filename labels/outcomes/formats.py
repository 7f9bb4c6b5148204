"""File formats of a run: outcome tables, features and questions, to bytes and back.

What this is not: file handling; whoever writes or reads the bytes is `labels.outcomes.parts`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labels.questions import Question, question_record
from m3_backbone.scales import EXTRAS

OUTCOME_TYPES: dict[str, pa.DataType] = {
    "sample_id": pa.string(),
    "image_id": pa.string(),
    "dataset": pa.string(),
    "group": pa.string(),
    "scale": pa.int32(),
    "answer": pa.string(),
    "score": pa.float64(),
    "parse_ok": pa.bool_(),
    "mean_logprob": pa.float64(),
    "first_margin": pa.float64(),
    "visual_tokens": pa.int32(),
    "prompt_tokens": pa.int32(),
    "output_tokens": pa.int32(),
    "flops": pa.float64(),
    "wall_ms": pa.float64(),
    "reference_loss": pa.float64(),  # null unless it was asked for
    "batch_size": pa.int32(),
    "batch_shape": pa.string(),
    "dtype": pa.string(),
    "attention": pa.string(),
    "checkpoint": pa.string(),
    "prompt_id": pa.string(),
    "code_version": pa.string(),
    "repeat": pa.int32(),  # not in tables of older versions, null in imported ones: 0
}

QUESTION_TYPES: dict[str, pa.DataType] = {
    "sample_id": pa.string(),
    "image_id": pa.string(),
    "question": pa.string(),
    "answers": pa.list_(pa.string()),
    "metric": pa.string(),
    "choices": pa.list_(pa.string()),
    "group": pa.string(),
    "meta": pa.string(),
    # The rest is not in files of older versions.
    "right": pa.list_(pa.int32()),  # null where it says nothing
    "images": pa.list_(pa.string()),
}

Value = str | int | float | bool
"""What stands in a row of an outcome table."""


@dataclass(frozen=True)
class Features:
    """Inputs of a router for some samples; each image is stored once for all its questions.

    Attributes:
        sample_ids: the samples [n].
        image_rows: row of `coarse` that belongs to each sample [n].
        coarse: coarse tokens of each image [images, t, D]; t is 10 for scales 1 and 9.
        question: question embedding of each sample [n, D].
        extras: optional features of each sample, by name in `EXTRAS` [n, width].
    """

    sample_ids: NDArray[np.str_]
    image_rows: NDArray[np.int64]
    coarse: NDArray[np.float16]
    question: NDArray[np.float16]
    extras: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)


def pack_outcomes(rows: Sequence[Mapping[str, Value]]) -> bytes:
    """Write outcomes as a Parquet file; the same rows give the same bytes.

    Args:
        rows: one value per key of `OUTCOME_TYPES`; null where there is none.
    """
    return _pack_rows(list(rows), OUTCOME_TYPES)


def pack_questions(questions: Sequence[Question]) -> bytes:
    """Write questions as a Parquet file."""
    records: list[Mapping[str, object]] = [
        {**question_record(one), "images": list(one.images)} for one in questions
    ]
    return _pack_rows(records, QUESTION_TYPES)


def unpack_questions(content: bytes) -> list[Question]:
    """Read what `pack_questions` wrote."""
    questions = []
    for row in pq.read_table(pa.BufferReader(content)).to_pylist():
        # Parquet gives lists, which a frozen question would not compare equal with.
        row["answers"] = tuple(row["answers"])
        row["choices"] = tuple(row["choices"])
        row["meta"] = json.loads(row["meta"])
        row["right"] = tuple(row.get("right") or ())
        row["images"] = tuple(row.get("images") or ())
        questions.append(Question(**row))
    return questions


def pack_features(features: Features) -> bytes:
    """Write features as an npz file."""
    buffer = BytesIO()
    arrays: dict[str, Any] = {
        "sample_ids": features.sample_ids,
        "image_rows": features.image_rows,
        "coarse": features.coarse,
        "question": features.question,
        **features.extras,
    }
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def unpack_features(content: bytes) -> Features:
    """Read what `pack_features` wrote."""
    # Without pickle a damaged or foreign file cannot run code.
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return Features(
            sample_ids=arrays["sample_ids"],
            image_rows=arrays["image_rows"],
            coarse=arrays["coarse"],
            question=arrays["question"],
            extras={name: arrays[name] for name in EXTRAS if name in arrays},
        )


def pack_table(table: pa.Table) -> bytes:
    """Write a table as a Parquet file; the same table gives the same bytes."""
    buffer = BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _pack_rows(rows: list[Mapping[str, object]], types: Mapping[str, pa.DataType]) -> bytes:
    return pack_table(pa.Table.from_pylist(rows, schema=pa.schema(list(types.items()))))


def join_features(parts: Sequence[Features]) -> Features:
    """Join the features of batches that share no image, in order."""
    # The images of a batch come after those of all batches before it.
    offsets = np.cumsum([0, *(len(part.coarse) for part in parts)])
    rows = [part.image_rows + offset for part, offset in zip(parts, offsets, strict=False)]
    return Features(
        sample_ids=np.concatenate([part.sample_ids for part in parts]),
        image_rows=np.concatenate(rows),
        coarse=np.concatenate([part.coarse for part in parts]),
        question=np.concatenate([part.question for part in parts]),
        extras={
            name: np.concatenate([part.extras[name] for part in parts]) for name in parts[0].extras
        },
    )
