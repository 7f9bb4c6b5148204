"""Reads the conversations that LLaVA is trained on: a JSON list and a folder of images.

Only the list is read here; images are opened when training needs them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m3_backbone.serialization import parse_json

IMAGE = "<image>"
ROLES = ("human", "gpt")


@dataclass(frozen=True)
class Conversation:
    """One entry of the list.

    Attributes:
        images: its image files, in the order in which the turns show them.
        turns: images in front of a question, the question without `IMAGE`, its answer.
    """

    images: tuple[Path, ...]
    turns: tuple[tuple[int, str, str], ...]


def read_conversations(path: Path, images: Path) -> list[Conversation]:
    """Read LLaVA's conversation format.

    An entry is {id, image, conversations: [{from: human | gpt, value}, ...]}. `image` is the name
    of a file, a list of names, or absent for text alone.

    Args:
        path: the JSON file.
        images: folder of the images.

    Returns:
        The entries, in order, with at least one answer each.

    Raises:
        FileNotFoundError: if the file or an image is not there.
        ValueError: if the file is no list of such entries; the first bad one is named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no conversations at {path}: expected a JSON file")
    try:
        entries = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} must hold a list of conversations with at least one entry")
    return [
        _read_entry(entry, f"entry {place} of {path}", images)
        for place, entry in enumerate(entries)
    ]


def _read_entry(entry: Any, name: str, images: Path) -> Conversation:
    if not isinstance(entry, dict) or not isinstance(entry.get("conversations"), list):
        raise ValueError(f"{name}: expected an object with a list of 'conversations'")
    name = f"{name} (id {entry.get('id')!r})"
    messages = [_read_message(message, name) for message in entry["conversations"]]
    # As in LLaVA's own code, an answer in front of the first question is left out.
    if messages and messages[0][0] == "gpt":
        messages = messages[1:]
    roles = [role for role, _ in messages]
    # Even places ask and odd ones answer, which the slices below rely on.
    if roles != [ROLES[place % 2] for place in range(len(roles))]:
        raise ValueError(f"{name}: expected human and gpt by turns, got {roles}")
    if len(messages) < 2:
        raise ValueError(f"{name}: expected a question and an answer, got {len(messages)} messages")
    files = _find_images(entry.get("image"), name, images)
    marks = sum(text.count(IMAGE) for _, text in messages)
    if marks != len(files):
        raise ValueError(
            f"{name}: has {len(files)} images and {IMAGE} {marks} times; expected it once per image"
        )
    texts = [text for _, text in messages]
    turns = tuple(
        (question.count(IMAGE), _remove_marks(question), answer)
        # A question behind the last answer is left out, and its images with it.
        for question, answer in zip(texts[::2], texts[1::2], strict=False)
    )
    return Conversation(files[: sum(count for count, _, _ in turns)], turns)


def _read_message(message: Any, name: str) -> tuple[str, str]:
    if not isinstance(message, dict) or not isinstance(message.get("value"), str):
        raise ValueError(f"{name}: expected messages of 'from' and 'value', got {message!r:.80}")
    role = message.get("from")
    text = message["value"]
    if role not in ROLES:
        raise ValueError(f"{name}: unknown role {role!r}: expected human or gpt")
    if not text.strip():
        raise ValueError(f"{name}: a message of {role} is empty; remove it or the entry")
    if role == "gpt" and IMAGE in text:
        raise ValueError(f"{name}: an answer holds {IMAGE}, which only questions may")
    return role, text


def _remove_marks(question: str) -> str:
    """Take the marks of images out of a question; the template puts them in front of it.

    Source: LLaVA's official code, `train.py`, `preprocess_multimodal`.
    """
    return question.replace(IMAGE, "").strip() if IMAGE in question else question


def _find_images(named: Any, name: str, images: Path) -> tuple[Path, ...]:
    listed = [] if named is None else named if isinstance(named, list) else [named]
    if not all(isinstance(one, str) for one in listed):
        raise ValueError(f"{name}: 'image' must be a file name or a list of them, got {named!r}")
    for one in listed:
        if not (images / one).is_file():
            raise FileNotFoundError(f"{name}: no image file at {images / one}; see --images")
    return tuple(images / one for one in listed)
