"""Verdicts in a row of an lmms-eval log: what each of its metrics says, as its task would count it.

A metric logs a number, or what its task needs to count the answer later: the answer that was read
and the right one. What this is not: a judge that reads answers anew (`labels.importing.judging`).

Source: `process_results` and the aggregations of the tasks of lmms-eval 0.7.3, rewritten.
"""

from collections.abc import Callable, Mapping
from typing import Any

from labels.importing.cells import Record, read_score
from labels.metrics.choice import LETTER_ALONE, read_option
from labels.metrics.mmmu import holds_answer
from labels.questions import LETTERS

Verdict = bool | int | float | str
"""A number, or the text of one, as it stands in the log: it need not be a score in [0, 1]."""

# Of the row itself: none of these is a metric.
OWN = frozenset(
    "doc_id doc target arguments resps filtered_resps token_counts doc_hash input input_media "
    "prompt_hash target_hash submission".split()
)


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
    for keys, judge in SHAPES.items():
        if isinstance(value, Mapping) and all(value.get(key) is not None for key in keys):
            return float(judge(value, name))
    return None


def _is_score(text: str) -> bool:
    """Tell whether a text is a score; another one, such as a category, is no verdict."""
    try:
        read_score(text, "")
    except ValueError:
        return False
    return True


def _judge_first(value: Mapping[str, Any], _: str) -> bool:
    """Count the first of several answers (MathVision)."""
    scores = value["scores"]
    return bool(scores[0]) if isinstance(scores, list) and scores else False


def _judge_flag(value: Mapping[str, Any], _: str) -> bool:
    """Take the task's own word (MathVista)."""
    return value["true_false"] is True


def _judge_parsed(value: Mapping[str, Any], _: str) -> bool:
    """Compare options, or look for the answer in the candidates (MMMU)."""
    parsed, answer = value["parsed_pred"], value["answer"]
    accepted = [str(one) for one in (answer if isinstance(answer, list) else [answer])]
    tries = parsed if isinstance(parsed, list) else [parsed]
    if value.get("question_type") != "open":
        return any(str(one) in accepted for one in tries)
    # One list of candidates, or one for each of several answers.
    nested = [one if isinstance(one, list) else [one] for one in tries]
    candidates = [one for part in nested for one in part if isinstance(one, str | float | int)]
    return holds_answer(candidates, accepted)


def _judge_read(value: Mapping[str, Any], name: str) -> bool:
    """Compare the option that was read with the right one (MME-RealWorld and others)."""
    read, answer = str(value["pred_answer"]).lower(), str(value["answer"]).lower()
    # This task takes several letters for right if the right one is among them.
    return read == answer or (name.startswith("mme_realworld") and answer in read)


def _judge_letter(value: Mapping[str, Any], _: str) -> bool:
    """Compare the first letter of the answer with the right one (SEED-Bench)."""
    return bool(str(value["pred"]).lower().strip() == str(value["answer"]).lower().strip())


def _judge_options(value: Mapping[str, Any], _: str) -> bool:
    """Read which option is named (MMBench, whose task asks another model about the rest)."""
    letters = [letter for letter in LETTERS if str(value.get(letter) or "nan") != "nan"]
    choices = tuple(str(value[letter]) for letter in letters)
    answer = LETTER_ALONE.match(str(value["answer"]).strip())
    option = read_option(str(value["prediction"]), choices)
    return answer is not None and option is not None and letters[option] == answer[1].upper()


Judge = Callable[[Mapping[str, Any], str], bool]

SHAPES: dict[tuple[str, ...], Judge] = {
    ("scores",): _judge_first,
    ("true_false",): _judge_flag,
    ("parsed_pred", "answer"): _judge_parsed,
    ("pred_answer", "answer"): _judge_read,
    ("pred", "answer"): _judge_letter,
    ("prediction", "answer", "A", "B"): _judge_options,
}
"""Keys that a metric logs -> how its task counts them; the first that fits."""
