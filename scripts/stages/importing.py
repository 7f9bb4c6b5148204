"""The work of `m3scale import`: files of other tools, and questions for them, to a label folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.stages.label import LabelRequest
from scripts.terminal.option_types import InputFile, Whole

if TYPE_CHECKING:
    from labels.importing.cells import Record
    from labels.importing.judging import Questions


@dataclass(frozen=True)
class ImportRequest:
    """What is imported; what a field means is its help."""

    samples: tuple[str, ...] = field(
        default=(),
        metadata={
            "metavar": "SCALE=FILE",
            "help": "What an evaluation at this scale wrote; once for each scale. Known are sample "
            "logs of lmms-eval, tables of VLMEvalKit, answers of LLaVA and M3, logs of inspect-ai.",
        },
    )
    table: Path | None = field(
        default=None,
        metadata={
            "type": InputFile(),
            "help": "Instead one CSV, TSV, Excel or JSONL table: sample_id, scale, answer, score[, "
            "group, image_id, cost, question, target, choices].",
        },
    )
    score: str | None = field(
        default=None,
        metadata={"help": "Which verdict of the logs to take, if they have several that differ."},
    )
    columns: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "option": "--column",
            "metavar": "FIELD=NAME",
            "help": "The file's name of a field; with --questions, that of the questions. "
            "Repeatable.",
        },
    )
    metric: str | None = field(
        default=None,
        metadata={"help": "Judge all answers anew by this metric, see docs/metrics.md."},
    )
    questions: str | None = field(
        default=None,
        metadata={
            "help": "Source of the questions as in label --source, for answers, groups and images; "
            "joined by sample id, which is the number of the row where no column holds it."
        },
    )


SOURCE_FIELDS = ("split", "rows_in", "answers", "image_folder")
"""Of a labelling request, what says how `questions` are read."""


def run_import(
    request: ImportRequest, source: LabelRequest, folder: Path, name: str
) -> tuple[int, int, int]:
    """Import outcomes.

    Args:
        request: what to import.
        source: how its questions are read.
        folder: the label folder to write.
        name: what to call the data set.

    Returns:
        How many samples there are, how many scales, and of how many samples the image is unknown.
    """
    from labels.importing.importing import check_free, import_outcomes
    from labels.importing.judging import gather_questions, judge_rows
    from labels.questions import UNKNOWN_IMAGE

    check_free(folder)
    if request.questions is None:
        _refuse_unused(source)
    rows = _read_rows(request)
    told = gather_questions(rows, None if request.questions else request.metric)
    questions = _match(request, source, told) if request.questions else told
    if request.metric:
        rows = judge_rows(rows, questions)
    import_outcomes(rows, folder, name, questions)
    unknown = [q for q in questions.values() if q.image_id.startswith(UNKNOWN_IMAGE)]
    return len(questions), len(rows) // len(questions), len(unknown)


def _refuse_unused(source: LabelRequest) -> None:
    for name in SOURCE_FIELDS:
        if getattr(source, name) is not None:
            [one] = [one for one in fields(source) if one.name == name]
            flag = one.metadata.get("option", f"--{name.replace('_', '-')}")
            raise click.UsageError(f"{flag} is of --questions: give that too, or leave it out")


def _match(request: ImportRequest, source: LabelRequest, told: "Questions") -> "Questions":
    from labels.importing.judging import match_questions

    asked = replace(
        source, source=request.questions or "", columns=request.columns, metric=request.metric
    )
    return match_questions(told, asked.load_questions())


def _read_rows(request: ImportRequest) -> "list[Record]":
    from labels.importing.layouts import read_sample_log, read_table_rows
    from labels.metrics.registry import METRICS

    if bool(request.samples) == (request.table is not None):
        raise click.UsageError("give either --samples SCALE=FILE, once per scale, or --table FILE")
    if request.table is not None and request.score is not None:
        raise click.UsageError("--score is of --samples; of --table, --column score=NAME says it")
    if request.metric is not None and request.score is not None:
        raise click.UsageError("--metric judges anew, without the scores that --score names")
    if request.metric is not None and request.metric not in METRICS:
        raise ValueError(f"unknown metric {request.metric!r}; known: {', '.join(METRICS)}")
    judged = request.metric is None
    # With a source of questions, its columns are meant.
    columns = {} if request.questions else request.columns
    if request.table is not None:
        return read_table_rows(request.table, columns, judged)
    files = [_read_log_option(log) for log in request.samples]
    return [
        row
        for scale, file in files
        for row in read_sample_log(file, scale, request.score, columns, judged)
    ]


def _read_log_option(text: str) -> tuple[int, Path]:
    scale, _, file = text.partition("=")
    if not (scale and file):
        raise click.BadParameter(f"expected SCALE=FILE, got {text!r}", param_hint="--samples")
    number = Whole(1).convert(scale, None, None)
    return number, InputFile().convert(file, None, None)
