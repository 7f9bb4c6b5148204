"""Imports outcomes that another tool measured, as a finished labelling run.

What this is not: a reader of files (`labels.importing.layouts`). There are no features; `m3scale
features` adds them. Audits and oracles need none.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from labels.cells import read_text
from labels.importing.cells import Record, name_sample, read_count, read_score
from labels.importing.judging import Questions, gather_questions
from labels.outcomes.formats import Features, Value, pack_features, pack_outcomes, pack_questions
from labels.outcomes.manifest import (
    CODE_VERSION,
    IMPORTED,
    MANIFEST,
    QUESTIONS_FILE,
    Manifest,
    Setting,
    package_version,
    write_manifest,
)
from labels.outcomes.parts import FEATURES, TABLE, Part, write_part
from labels.questions import Question, fingerprint_questions
from m3_backbone.files import check_output, replacing, write_atomically
from m3_backbone.serialization import sha256

NO_FEATURES = Features(
    # "e" is half precision; the shapes are those of no sample and no image.
    np.zeros(0, np.str_),
    np.zeros(0, np.int64),
    np.zeros((0, 10, 1), "e"),
    np.zeros((0, 1), "e"),
)


def check_free(folder: Path) -> None:
    """Refuse a folder that holds a run, or other things.

    Args:
        folder: where a run is to be written.

    Raises:
        ValueError: if one is there, or the folder is not fit for one.
    """
    if (folder / MANIFEST).exists():
        raise ValueError(f"{folder} holds a run already; choose another folder or delete it")
    check_output(folder, owned=_refuse_filled)


def _refuse_filled(folder: Path) -> tuple[str, ...]:
    raise ValueError(f"{folder} holds other things than a labelling run; choose another folder")


def import_outcomes(
    rows: Sequence[Record], folder: Path, name: str, questions: Questions | None = None
) -> Path:
    """Write imported outcomes as a finished run.

    Args:
        rows: one row per sample and scale, in our fields.
        folder: the run's folder, without a run in it.
        name: what to call the data set.
        questions: sample id -> its question; made from the rows if None.

    Returns:
        The folder. Rows that are missing, double or not readable, and a folder that holds a run,
        are a ValueError; nothing is written then.
    """
    check_free(folder)
    questions = gather_questions(rows) if questions is None else questions
    outcomes = [_make_outcome(row, questions[name_sample(row)], name) for row in rows]
    scales = _check_complete(outcomes)
    _check_costs(outcomes)
    content = pack_outcomes(outcomes)
    asked = list(questions.values())
    settings: dict[str, Setting] = {
        "questions": fingerprint_questions(asked),
        "checkpoint": f"{IMPORTED}-{sha256(content)[:16]}",
        "scales": scales,
        CODE_VERSION: package_version(),
    }
    images = {question.image_id for question in asked}
    manifest = Manifest(name, settings, len(asked), len(images), n_parts=1, finished=True)
    contents = {TABLE: content, FEATURES: pack_features(NO_FEATURES)}
    with replacing(folder) as fresh:
        write_atomically(fresh / QUESTIONS_FILE, pack_questions(asked))
        write_part(Part(0, 0, fresh), manifest.run, contents, [])
        write_manifest(fresh, manifest)
    return folder


def _make_outcome(row: Record, question: Question, name: str) -> dict[str, Value]:
    where = f"sample {question.sample_id!r}"
    scale = read_count(row["scale"], f"{where}, scale")
    answer = read_text(row["answer"], f"{where}, answer")
    cost = row.get("cost")
    return {
        "sample_id": question.sample_id,
        "image_id": question.image_id,
        "dataset": name,
        "group": question.group,
        "scale": scale,
        "answer": answer,
        "score": read_score(row["score"], f"{where}, scale {scale}"),
        # An answer that was judged here says whether it could be read.
        "parse_ok": bool(row.get("parse_ok", answer.strip())),
        "mean_logprob": math.nan,
        "first_margin": math.nan,
        "visual_tokens": scale if cost in (None, "") else read_count(cost, f"{where}, cost"),
        "prompt_tokens": row.get("prompt_tokens", 0),
        "output_tokens": row.get("output_tokens", 0),
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


def _check_costs(outcomes: Sequence[Mapping[str, Value]]) -> None:
    spent: dict[str, list[tuple[int, int]]] = {}  # sample id -> scale and cost of its rows
    for row in outcomes:
        pair = int(row["scale"]), int(row["visual_tokens"])
        spent.setdefault(str(row["sample_id"]), []).append(pair)
    for sample, pairs in spent.items():
        costs = [cost for _, cost in sorted(pairs)]
        if costs != sorted(costs):
            raise ValueError(
                f"sample {sample!r}: expected a cost that does not fall as the scale grows, got "
                f"{', '.join(map(str, costs))}"
            )
