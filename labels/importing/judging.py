"""The questions that imported answers belong to, and answers judged anew by a metric.

Questions come from the log itself, which must say the same about them at all scales, or from a
source of questions, by sample id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from labels.cells import is_empty, read_options, read_text, read_texts
from labels.importing.cells import Record, name_sample, read_count, read_name
from labels.metrics.choice import BY_OPTION, right_options
from labels.metrics.registry import check_scorable, score_answer, settle_reference
from labels.questions import REFERENCE, UNKNOWN_IMAGE, Question, join_fingerprints
from m3_backbone.serialization import show

Questions = Mapping[str, Question]
"""Sample id -> its question."""

TOLD = ("question", "target", "choices", "image_id", "group", "doc_hash", "lettered")
"""What rows say about a sample, which is the same at every scale."""

NAMED = 3
"""Samples that a message names."""


def gather_questions(rows: Sequence[Record], metric: str | None = None) -> dict[str, Question]:
    """Make the question of every sample from what its rows say.

    Args:
        rows: answers in our fields.
        metric: metric of the questions; what fits their answers if None.

    Returns:
        Sample id -> its question, in the order of the first rows. A sample whose rows name no image
        gets one of its own, which begins with `UNKNOWN_IMAGE`. Rows of a sample that differ, and
        answers that the metric cannot judge, are a ValueError.
    """
    told: dict[str, Record] = {}
    for row in rows:
        sample = name_sample(row)
        _add_told(told.setdefault(sample, {}), row, sample)
    questions = {sample: _make_question(sample, facts, metric) for sample, facts in told.items()}
    if metric is not None:
        for question in questions.values():
            check_scorable(question)
    return questions


def match_questions(asked: Questions, source: Sequence[Question]) -> dict[str, Question]:
    """Find the questions that were asked in a source.

    Args:
        asked: sample id -> what a log says was asked: a text that holds the question, or is one
            without its hint; or just the sample id where the log does not say.
        source: questions; there may be more than are needed.

    Returns:
        Sample id -> its question, in the order of the source.

    Raises:
        ValueError: if a sample is not in the source, or was asked something else, or where the log
            does not say what, about another image.
    """
    found = {one.sample_id: one for one in source if one.sample_id in asked}
    missing = [sample for sample in asked if sample not in found]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(asked)} samples are not in the questions, such as "
            f"{_list(missing)}; these have {_list([one.sample_id for one in source])}; name the "
            "column of the sample ids: --column sample_id=COLUMN"
        )
    other = [
        f"{sample!r} was asked {show(asked[sample].question)}, not {show(one.question)}"
        for sample, one in found.items()
        if _says_question(asked[sample]) and not _holds(asked[sample].question, one.question)
    ]
    if other:
        raise ValueError(
            f"{len(other)} of {len(asked)} samples are asked something else in the questions: "
            f"{'; '.join(other[:NAMED])}"
        )
    _check_images(asked, found)
    return found


def _check_images(asked: Questions, found: Questions) -> None:
    """Refuse a source in another order, which fits by its row numbers alone.

    Raises:
        ValueError: if samples of one image, of which nothing but the number is known, have several.
    """
    first: dict[str, Question] = {}  # image of the log -> a question about it
    for sample, question in found.items():
        image = asked[sample].image_id
        if _says_question(asked[sample]) or image.startswith(UNKNOWN_IMAGE):
            continue
        known = first.setdefault(image, question)
        if known.image_id != question.image_id:
            raise ValueError(
                f"samples {known.sample_id!r} and {sample!r} are about one image, {show(image)}, "
                "but have two in the questions; expected the questions that were asked, or another "
                "column of sample ids: --column sample_id=COLUMN"
            )


def judge_rows(rows: Sequence[Record], questions: Questions) -> list[Record]:
    """Judge answers anew.

    Args:
        rows: answers in our fields.
        questions: what they answer.

    Returns:
        The rows with the `score` of their question's metric, and whether it could be read
        (`parse_ok`). Without ground truth (`reference`), right is what the largest scale says.
    """
    # Sample id -> its answer at the largest scale: the last one wins.
    largest = {name_sample(row): _read_answer(row) for row in sorted(rows, key=_read_scale)}
    settled = {
        sample: settle_reference(questions[sample], answer) for sample, answer in largest.items()
    }
    judged = []
    for row in rows:
        verdict = score_answer(_read_answer(row), settled[name_sample(row)])
        judged.append({**row, "score": verdict.score, "parse_ok": verdict.parse_ok})
    return judged


def _read_scale(row: Record) -> int:
    return read_count(row["scale"], f"sample {name_sample(row)!r}, scale")


def _read_answer(row: Record) -> str:
    return read_text(row["answer"], f"sample {name_sample(row)!r}, answer")


def _add_told(told: Record, row: Record, sample: str) -> None:
    """Note what a row says about its sample.

    Raises:
        ValueError: if another row has said something else.
    """
    for field in TOLD:
        value = row.get(field)
        if is_empty(value) or value in ([], ()):
            continue
        known, scale = told.setdefault(field, (value, row.get("scale")))
        if known != value:
            raise ValueError(
                f"sample {sample!r}: its {field} is {show(known)} at scale {scale} and "
                f"{show(value)} at scale {row.get('scale')}; expected runs over the same questions"
            )


def _make_question(sample: str, told: Record, metric: str | None) -> Question:
    facts = {field: value for field, (value, _) in told.items()}
    where = f"sample {sample!r}"
    answers = read_texts(facts.get("target"), where)
    choices = read_options(facts.get("choices"), where)
    image = facts.get("image_id")
    images = image if isinstance(image, tuple) else ()  # no cell is one, see `name_images`
    image_id = join_fingerprints(images) if images else read_name(image, where)
    question = Question(
        sample_id=sample,
        image_id=image_id or f"{UNKNOWN_IMAGE}{sample}",
        question=read_text(facts.get("question"), where).strip() or sample,
        answers=answers,
        metric=metric or ("exact" if answers else REFERENCE),
        choices=choices,
        group=read_name(facts.get("group"), where),
        images=images,
    )
    if metric not in (None, *BY_OPTION) or len(choices) < 2:
        return question
    right = tuple(sorted(right_options(question, bool(facts.get("lettered")))))
    return replace(question, metric=metric or "choice", right=right) if right else question


def _says_question(asked: Question) -> bool:
    """Tell whether a log says what was asked; where it does not, the sample id stands there."""
    return asked.question != asked.sample_id


def _holds(prompt: str, question: str) -> bool:
    """Tell whether a prompt, with its options and instructions, holds a question.

    A hint stands on lines of its own before the question, and a log may leave it out.
    """
    lines = question.split("\n")
    bare = [_fold("\n".join(lines[first:])) for first in range(1, len(lines))]
    return _fold(question) in _fold(prompt) or _fold(prompt) in bare


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NAMED])
    return f"{shown}, ..." if len(names) > NAMED else shown
