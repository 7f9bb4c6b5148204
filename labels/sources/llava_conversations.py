"""Reads the conversations that LLaVA is trained on: a JSON list and a folder of images.

Only the list is read here; images are opened when a training comes to them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} must hold a list of conversations with at least one entry")
    return [
        read_entry(entry, f"entry {place} of {path}", images) for place, entry in enumerate(entries)
    ]


def read_entry(entry: Any, name: str, images: Path) -> Conversation:
    """Read one entry.

    Args:
        entry: what stands in the list.
        name: what to call it in an error.
        images: folder of the images.

    Returns:
        The conversation. As in LLaVA's own code an answer in front of the first question is left
        out, and so is a question behind the last answer.

    Raises:
        ValueError: if the entry is malformed.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("conversations"), list):
        raise ValueError(f"{name}: expected an object with a list of 'conversations'")
    name = f"{name} (id {entry.get('id')!r})"
    said = [read_message(message, name) for message in entry["conversations"]]
    if said and said[0][0] == "gpt":
        said = said[1:]
    if [role for role, _ in said] != [ROLES[place % 2] for place in range(len(said))]:
        raise ValueError(f"{name}: expected human and gpt by turns, got {[one[0] for one in said]}")
    if len(said) < 2:
        raise ValueError(f"{name}: expected a question and an answer, got {len(said)} messages")
    files = find_images(entry.get("image"), name, images)
    shown = sum(text.count(IMAGE) for _, text in said)
    if shown != len(files):
        raise ValueError(
            f"{name}: has {len(files)} images and {IMAGE} {shown} times; expected it once an image"
        )
    turns = tuple(
        (question.count(IMAGE), place_images(question), answer)
        for (_, question), (_, answer) in zip(said[::2], said[1::2], strict=False)
    )
    return Conversation(files[: sum(turn[0] for turn in turns)], turns)


def read_message(message: Any, name: str) -> tuple[str, str]:
    """Read one message.

    Args:
        message: what stands in the list of an entry.
        name: what to call the entry in an error.

    Returns:
        Who says it and what.

    Raises:
        ValueError: if it is malformed.
    """
    if not isinstance(message, dict) or not isinstance(message.get("value"), str):
        raise ValueError(f"{name}: expected messages of 'from' and 'value', got {message!r:.80}")
    role, text = message.get("from"), message["value"]
    if role not in ROLES:
        raise ValueError(f"{name}: unknown role {role!r}: expected human or gpt")
    if not text.strip():
        raise ValueError(f"{name}: a message of {role} is empty; remove it or the entry")
    if role == "gpt" and IMAGE in text:
        raise ValueError(f"{name}: an answer holds {IMAGE}, which only questions may")
    return role, text


def place_images(question: str) -> str:
    """Take the marks of images out of a question; the template puts them in front of it.

    Source: LLaVA's official code, `train.py`, `preprocess_multimodal`.
    """
    return question.replace(IMAGE, "").strip() if IMAGE in question else question


def find_images(named: Any, name: str, images: Path) -> tuple[Path, ...]:
    """Find the image files of an entry.

    Args:
        named: its field `image`.
        name: what to call the entry in an error.
        images: folder of the images.

    Returns:
        The files.

    Raises:
        FileNotFoundError: if one is not there.
        ValueError: if the field is no name and no list of names.
    """
    listed = [] if named is None else named if isinstance(named, list) else [named]
    if not all(isinstance(one, str) for one in listed):
        raise ValueError(f"{name}: 'image' must be a file name or a list of them, got {named!r}")
    for one in listed:
        if not (images / one).is_file():
            raise FileNotFoundError(f"{name}: no image file at {images / one}; see --images")
    return tuple(images / one for one in listed)
