"""Verdicts in a row of an lmms-eval log: what each of its metrics says, as its task would count it.

A metric logs a number, or what its task needs to count the answer later: the answer that was read
and the right one. Tasks that count otherwise, such as captions, log the same keys: a verdict is
read only where the values fit too. What this is not: a judge that reads answers anew
(`labels.importing.judging`).

Source: `process_results` and the aggregations of the tasks of lmms-eval 0.7.3, rewritten.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from labels.cells import read_option_columns
from labels.importing.cells import Record, read_score
from labels.metrics.choice import read_option
from labels.metrics.mmmu import holds_answer
from labels.questions import LETTERS

Verdict = bool | int | float | str
"""A number, or the text of one, as it stands in the log: it need not be a score in [0, 1]."""

# Of the row itself: none of these is a metric.
OWN = frozenset(
    "doc_id doc target arguments resps filtered_resps token_counts doc_hash input input_media "
    "prompt_hash target_hash submission".split()
)

RIGHT = re.compile(r"\s*(?:[a-z]|[A-Z]+)\s*")
"""The right option, or several: letters."""

READ = re.compile(r"\s*(?:.?|[A-Z]+)\s*")
"""What a task reads of an answer that is to name an option: one character, letters, or nothing."""


def find_verdicts(record: Record) -> dict[str, Verdict]:
    """Read all verdicts of a row.

    Args:
        record: the row.

    Returns:
        Name of each metric -> what it says.
    """
    read = {name: _read_verdict(name, value) for name, value in record.items() if name not in OWN}
    return {name: verdict for name, verdict in read.items() if verdict is not None}


def pick_verdict(verdicts: Mapping[str, object], wanted: str | None, where: str) -> object:
    """Pick the verdict that counts.

    Args:
        verdicts: name of each metric -> its score.
        wanted: the name to take; not needed where all of them say the same.
        where: file and row, for the message.

    Returns:
        What it says.

    Raises:
        ValueError: if there is none, or they differ and none was named.
    """
    if not verdicts and wanted is None:
        raise ValueError(
            f"{where}: no verdict that is known stands there; judge the answers with --metric"
        )
    said = list(verdicts.values())
    if wanted is None and all(one == said[0] for one in said[1:]):
        return said[0]
    if wanted is None or wanted not in verdicts:
        raise ValueError(
            f"{where}: expected the name of one of its scores ({', '.join(verdicts) or 'none'}), "
            f"got {wanted or 'no name'}"
        )
    return verdicts[wanted]


def _read_verdict(name: str, value: object) -> Verdict | None:
    number = value.get("score") if isinstance(value, Mapping) else value
    if isinstance(number, bool | int | float) or (isinstance(number, str) and _is_score(number)):
        return number
    if isinstance(value, Mapping):
        for keys, judge in SHAPES.items():
            fits = all(value.get(key) is not None for key in keys)
            if fits and (right := judge(value, name)) is not None:
                return float(right)
    return None


def _is_score(text: str) -> bool:
    """Tell whether a text is a score; another one, such as a category, is no verdict."""
    try:
        read_score(text, "")
    except ValueError:
        return False
    return True


def _judge_first(value: Mapping[str, Any], _: str) -> bool | None:
    """Count the first of several answers (MathVision); ratings are numbers."""
    scores = value["scores"]
    told = isinstance(scores, list) and scores and all(isinstance(one, bool) for one in scores)
    return scores[0] if told else None


def _judge_flag(value: Mapping[str, Any], _: str) -> bool | None:
    """Take the task's own word (MathVista)."""
    flag = value["true_false"]
    return flag if isinstance(flag, bool) else None


def _judge_parsed(value: Mapping[str, Any], _: str) -> bool | None:
    """Compare options, or look for the answer in the candidates (MMMU)."""
    accepted, tries = _list(value["answer"]), _list(value["parsed_pred"])
    if value.get("question_type") == "open":
        # One list of candidates, or one for each of several answers.
        candidates = [one for part in tries for one in _list(part)]
        plain = all(_is_plain(one) for one in (*accepted, *candidates))
        # Numbers are compared as floats, and a log may have written 5.0 as 5.
        candidates = [float(one) if isinstance(one, int) else one for one in candidates]
        told = accepted and plain
        return holds_answer(candidates, [str(one) for one in accepted]) if told else None
    if not (accepted and _fit(RIGHT, *accepted) and _fit(READ, *tries)):
        return None
    return any(one in accepted for one in tries)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | float | int) and not isinstance(value, bool)


def _judge_read(value: Mapping[str, Any], name: str) -> bool | None:
    """Compare the option that was read with the right one (MME-RealWorld and others)."""
    read, answer = value["pred_answer"], value["answer"]
    if not (_fit(READ, read) and _fit(RIGHT, answer)):
        return None
    # This task takes several letters for right if the right one is among them.
    several = name.startswith("mme_realworld") and answer.lower() in read.lower()
    return several or bool(read.lower() == answer.lower())


def _judge_letter(value: Mapping[str, Any], _: str) -> bool | None:
    """Compare the first letter of the answer with the right one (SEED-Bench)."""
    read, answer = value["pred"], value["answer"]
    if not (_fit(READ, read) and _fit(RIGHT, answer)):
        return None
    return bool(read.lower().strip() == answer.lower().strip())


def _judge_options(value: Mapping[str, Any], _: str) -> bool | None:
    """Read which option is named (MMBench, whose task asks another model about the rest)."""
    answer, prediction = value["answer"], value["prediction"]
    if not (isinstance(prediction, str) and _fit(RIGHT, answer)):
        return None
    # An option that is missing keeps its place, so that letters stay letters.
    options = read_option_columns([value.get(letter) for letter in LETTERS], "its options")
    option = read_option(prediction, options)
    return option is not None and LETTERS[option] == answer.strip().upper()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fit(pattern: re.Pattern[str], *values: object) -> bool:
    """Tell whether all values are texts of a form."""
    return all(isinstance(value, str) and pattern.fullmatch(value) for value in values)


Judge = Callable[[Mapping[str, Any], str], bool | None]

SHAPES: dict[tuple[str, ...], Judge] = {
    ("scores",): _judge_first,
    ("true_false",): _judge_flag,
    ("parsed_pred", "answer"): _judge_parsed,
    ("pred_answer", "answer"): _judge_read,
    ("pred", "answer"): _judge_letter,
    ("prediction", "answer", "A", "B"): _judge_options,
}
"""Keys that a metric logs -> how its task counts them, None if the values are of another task."""
