"""Logs of inspect-ai: one file an evaluation, JSON or its own compressed form.

The compressed form (.eval) is read by inspect-ai itself; `inspect log convert` makes JSON of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labels.cells import read_options, read_text, read_texts
from labels.importing.cells import Record, read_count
from labels.importing.lmms_eval import name_images
from m3_backbone.serialization import one_line

ATTACHMENT = "attachment://"
VALUES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Verdicts by letter: correct, incorrect, partly correct, no answer."""


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
        ValueError: if the log has no samples, or one is not finished.
    """
    samples = log.get("samples")
    if not isinstance(samples, list) or not samples:
        raise ValueError(f"{where}: the log of inspect-ai has no samples; it was cut to its header")
    for number, sample in enumerate(samples, 1):
        if not isinstance(sample, dict) or sample.get("error") or not sample.get("scores"):
            raise ValueError(
                f"{where}, sample {number}: it was not scored; finish the evaluation first "
                "(inspect eval-retry, inspect score)"
            )
    return samples


def read_sample(sample: Record, columns: Mapping[str, str], where: str) -> Record:
    """Read a sample.

    Args:
        sample: one of `list_samples`.
        columns: our field -> the key in the sample's metadata, where it is another.
        where: file and sample, for messages.

    Returns:
        An answer in our fields, with all its verdicts and without a scale.
    """
    metadata = _as_dict(sample.get("metadata"))
    output = _as_dict(sample.get("output"))
    texts, images = _read_input(sample)
    named = {field: metadata.get(name) for field, name in columns.items()}
    usage = _as_dict(output.get("usage"))
    counts = {
        ours: read_count(usage[theirs], f"{where}: {theirs}", least=0)
        for ours, theirs in {
            "prompt_tokens": "input_tokens",
            "output_tokens": "output_tokens",
        }.items()
        if usage.get(theirs) is not None
    }
    return {
        "sample_id": sample.get("id"),
        "question": "\n".join(texts),
        "answer": read_text(output.get("completion"), where),
        "target": read_texts(sample.get("target"), where),
        "choices": read_options(sample.get("choices"), where),
        "group": metadata.get("category", metadata.get("group")),
        "image_id": name_images(images or metadata.get("image_id"), where),
        "verdicts": _read_scores(sample, where),
        **counts,
        **named,
    }


def _read_scores(sample: Record, where: str) -> dict[str, Any]:
    verdicts = {}
    for name, score in _as_dict(sample.get("scores")).items():
        value = _as_dict(score).get("value")
        if isinstance(value, str):
            value = VALUES.get(value, value)
        if isinstance(value, bool | int | float):
            verdicts[name] = value
    return verdicts


def _read_input(sample: Record) -> tuple[list[str], list[str]]:
    """Give the texts and the images of what the user said."""
    said = sample.get("input")
    if isinstance(said, str):
        return [said], []
    attachments = _as_dict(sample.get("attachments"))
    texts: list[str] = []
    images: list[str] = []
    for message in said if isinstance(said, list) else []:
        content = _as_dict(message).get("content")
        if _as_dict(message).get("role") != "user":
            continue
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            kind = _as_dict(part).get("type")
            value = str(_as_dict(part).get(kind) or "") if kind in ("text", "image") else ""
            # What is long is kept once, under a name.
            value = str(attachments.get(value.removeprefix(ATTACHMENT), value))
            (images if kind == "image" else texts).append(value)
    return [text for text in texts if text], images


def _as_dict(value: object) -> Record:
    return value if isinstance(value, dict) else {}
