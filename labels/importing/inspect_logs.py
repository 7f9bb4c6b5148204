"""Logs of inspect-ai: one file an evaluation, JSON or its own compressed form.

The compressed form (.eval) is read by inspect-ai itself; `inspect log convert` makes JSON of it.
"""

from collections.abc import Mapping
from pathlib import Path

from labels.cells import read_options, read_text, read_texts
from labels.importing.cells import Record, read_counts
from labels.importing.lmms_eval import name_images
from m3_backbone.serialization import one_line, show

ATTACHMENT = "attachment://"
VALUES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Verdicts by letter: correct, incorrect, partly correct, no answer."""

WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""Verdicts by word, in any case."""

FINISHED = "success"
"""Status of a log that has all of its samples."""

ONLY_SCORE = "score"
"""Where early releases have the one score of a sample."""


def read_eval(path: Path) -> Record:
    """Read a compressed log.

    Args:
        path: the .eval file.

    Returns:
        The log as its JSON form has it.

    Raises:
        ValueError: if inspect-ai is not installed, or cannot read the file.
    """
    try:
        from inspect_ai.log import read_eval_log
    except ImportError as error:
        raise ValueError(
            f"{path}: .eval files need inspect-ai (pip install inspect-ai), or write the log as "
            "JSON: inspect log convert --to json"
        ) from error
    try:
        log: Record = read_eval_log(str(path)).model_dump(mode="json")
    # It raises whatever the parts of a damaged archive raise, from zipfile to pydantic.
    except Exception as error:
        raise ValueError(f"{path}: expected a log of inspect-ai: {one_line(error):.160}") from error
    return log


def list_samples(log: Record, where: str) -> list[Record]:
    """List the samples of a log.

    Args:
        log: the log as its JSON form has it.
        where: the file, for messages.

    Returns:
        The samples, at least one.

    Raises:
        ValueError: if the log has no samples, or one or all of it did not end well.
    """
    status = log.get("status", FINISHED)
    if status != FINISHED:
        raise ValueError(
            f"{where} (inspect-ai): the evaluation has status {show(status)}, expected "
            f"{FINISHED!r}; finish it first: inspect eval-retry"
        )
    samples = log.get("samples")
    if not isinstance(samples, list) or not samples:
        raise ValueError(f"{where}: the log of inspect-ai has no samples; it was cut to its header")
    for number, sample in enumerate(samples, 1):
        if not isinstance(sample, dict) or sample.get("error"):
            raise ValueError(
                f"{where} (inspect-ai), sample {number}: it ended in an error; finish the "
                "evaluation first: inspect eval-retry"
            )
    return samples


def read_sample(sample: Record, columns: Mapping[str, str], where: str) -> Record:
    """Read a sample.

    Args:
        sample: one of `list_samples`.
        columns: our field -> the key in the sample's metadata, where it is another.
        where: file and sample, for messages.

    Returns:
        An answer in our fields, with all its verdicts, and a scale only where the log has it.
    """
    metadata = _as_dict(sample.get("metadata"))
    output = _as_dict(sample.get("output"))
    texts, images = _read_input(sample)
    named = {field: metadata.get(name) for field, name in columns.items()}
    counts = _as_dict(output.get("usage"))
    facts = _as_dict(output.get("metadata"))
    if "visual_tokens" in facts:  # else it is another model's, whose scale may be anything
        counts = counts | {name: facts.get(name) for name in ("visual_tokens", "scale")}
    return {
        "sample_id": sample.get("id"),
        "question": "\n".join(texts),
        "answer": _read_answer(output, where),
        "target": read_texts(sample.get("target"), where),
        "choices": read_options(sample.get("choices"), where),
        "group": metadata.get("category", metadata.get("group")),
        "image_id": name_images(images or metadata.get("image_id"), where),
        "verdicts": _read_scores(sample),
        **read_counts(counts, where),
        **named,
    }


def _list_scores(sample: Record) -> Record:
    alone = {ONLY_SCORE: sample[ONLY_SCORE]} if sample.get(ONLY_SCORE) else {}
    return _as_dict(sample.get("scores")) or alone


def _read_scores(sample: Record) -> dict[str, object]:
    """Give every score; of a score that has several values each, as NAME.VALUE."""
    verdicts: dict[str, object] = {}
    for name, score in _list_scores(sample).items():
        value = _as_dict(score).get("value")
        several = value if isinstance(value, dict) else None
        named = {f"{name}.{key}": one for key, one in several.items()} if several else {name: value}
        verdicts |= {key: _read_value(one) for key, one in named.items() if one is not None}
    return verdicts


def _read_value(value: object) -> object:
    return VALUES.get(value, WORDS.get(value.lower(), value)) if isinstance(value, str) else value


def _read_answer(output: Record, where: str) -> str:
    """Read what the model said; releases that do not log it as a text have it in the messages."""
    if output.get("completion") is not None:
        return read_text(output["completion"], where)
    choices = output.get("choices")
    first = _as_dict(choices[0]) if isinstance(choices, list) and choices else {}
    texts, _ = _read_parts(_as_dict(first.get("message")).get("content"), {})
    return read_text("\n".join(texts), where)


def _read_input(sample: Record) -> tuple[list[str], list[str]]:
    """Give the texts and the images of what the user said."""
    said = sample.get("input")
    messages = said if isinstance(said, list) else [{"role": "user", "content": said}]
    early = _as_dict(_as_dict(sample.get("transcript")).get("content"))
    attachments = _as_dict(sample.get("attachments")) or early
    texts: list[str] = []
    images: list[str] = []
    for message in map(_as_dict, messages):
        if message.get("role") == "user":
            more_texts, more_images = _read_parts(message.get("content"), attachments)
            texts += more_texts
            images += more_images
    return texts, images


def _read_parts(content: object, attachments: Record) -> tuple[list[str], list[str]]:
    """Give the texts and the images of one message."""
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    found: dict[str, list[str]] = {"text": [], "image": []}
    for part in map(_as_dict, parts):
        kind = part.get("type")
        if kind in found:
            value = str(part.get(kind) or "")
            # What is long is kept once, under a name.
            found[kind].append(str(attachments.get(value.removeprefix(ATTACHMENT), value)))
    return [text for text in found["text"] if text], found["image"]


def _as_dict(value: object) -> Record:
    return value if isinstance(value, dict) else {}
