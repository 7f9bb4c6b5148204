"""Reads the conversations that LLaVA is trained on: a file of entries and a folder of images.

Only the entries are read here; images are opened when training needs them.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labels.sources.conversation_files import read_entries
from m3_backbone.serialization import show

IMAGE = "<image>"
HUMAN, GPT = "human", "gpt"
ROLES = {"human": HUMAN, "user": HUMAN, "gpt": GPT, "assistant": GPT}

READ = ("id", "image", "conversations")
NOTES = frozenset(
    {"model", "source", "data_source", "dataset", "dataset_name", "task", "type", "category"}
    | {"question_id", "width", "height", "width_list", "height_list", "split", "url", "license"}
)
"""Keys of an entry that say where it comes from and change nothing of what is learnt."""


@dataclass(frozen=True)
class Conversation:
    """One entry.

    Attributes:
        images: its image files, in the order in which the turns show them.
        turns: number of images of a question, the question, its answer. A question with `IMAGE` in
            it shows its images there, any other one in front. In a conversation without images
            `IMAGE` is text.
        name: what messages call it.
    """

    images: tuple[Path, ...]
    turns: tuple[tuple[int, str, str], ...]
    name: str = field(default="a conversation", compare=False)


def read_conversations(
    path: Path, images: Path, bad: list[str] | None = None
) -> list[Conversation]:
    """Read LLaVA's conversation format.

    An entry is {id, image, conversations: [{from: human | gpt, value}, ...]}. `image` is the name
    of a file, a list of names, or absent for text alone.

    Args:
        path: the entries, see `labels.sources.conversation_files`.
        images: folder of the images.
        bad: where the message of each entry goes that cannot be used; None raises the first one.

    Returns:
        The entries, in order, with at least one answer each.

    Raises:
        ValueError: if the file holds no such entries; the first bad one is named.
        OSError: if the file or an image is not there.
    """
    read = []
    for name, entry in read_entries(path):
        try:
            read.append(_read_entry(entry, name, images))
        except (ValueError, OSError) as error:
            if bad is None:
                raise
            bad.append(str(error))
    return read


def _read_entry(entry: Any, name: str, images: Path) -> Conversation:
    if not isinstance(entry, dict) or not isinstance(entry.get("conversations"), list):
        raise ValueError(f"{name}: expected an object with a list of 'conversations'")
    name = f"{name} (id {entry.get('id')!r:.40})"
    _check_keys(entry, {*READ, *NOTES}, name)
    messages = [_read_message(message, name) for message in entry["conversations"]]
    # As in LLaVA's own code, an answer in front of the first question is left out.
    if messages and messages[0][0] == GPT:
        messages = messages[1:]
    roles = [role for role, _ in messages]
    # Even places ask and odd ones answer, which the slices below rely on.
    if roles != [(HUMAN, GPT)[place % 2] for place in range(len(roles))]:
        raise ValueError(f"{name}: expected human and gpt by turns, got {roles[:8]}")
    if len(messages) < 2:
        raise ValueError(f"{name}: expected a question and an answer, got {len(messages)} messages")
    files = _find_images(entry.get("image"), name, images)
    if not files and "image" not in entry:
        # Text alone, in which people may talk about a tag of that name.
        texts = [text for _, text in messages]
        turns = tuple((0, *pair) for pair in zip(texts[::2], texts[1::2], strict=False))
        return Conversation((), turns, name)
    return _place_images(messages, files, name)


def _place_images(
    messages: list[tuple[str, str]], files: tuple[Path, ...], name: str
) -> Conversation:
    texts = [text for _, text in messages]
    if any(IMAGE in text for text in texts[1::2]):
        raise ValueError(f"{name}: an answer holds {IMAGE}, which only questions may")
    marks = sum(text.count(IMAGE) for text in texts)
    if marks != len(files):
        raise ValueError(
            f"{name}: has {len(files)} images and {IMAGE} {marks} times; expected it once per image"
        )
    turns = tuple(
        (question.count(IMAGE), _move_to_front(question), answer)
        # A question behind the last answer is left out, and its images with it.
        for question, answer in zip(texts[::2], texts[1::2], strict=False)
    )
    return Conversation(files[: sum(count for count, _, _ in turns)], turns, name)


def _check_keys(entry: Mapping[str, Any], known: Collection[str], name: str) -> None:
    """Refuse a key that says something which nobody would read.

    Raises:
        ValueError: if there is one.
    """
    unknown = [key for key in entry if key not in known and entry[key] not in (None, "", [], {})]
    if unknown:
        raise ValueError(
            f"{name}: the key {unknown[0]!r:.80} is not read here; remove it, or the entry"
        )


def _read_message(message: Any, name: str) -> tuple[str, str]:
    # Both spellings are in use, as in LLaVA-NeXT's code.
    keys = ("role", "content") if isinstance(message, dict) and "role" in message else None
    speaker, words = keys or ("from", "value")
    if not isinstance(message, dict) or not isinstance(message.get(words), str):
        raise ValueError(
            f"{name}: expected messages of 'from' and 'value' as text, got {message!r:.80}"
        )
    _check_keys(message, (speaker, words), name)
    role = message.get(speaker)
    text = message[words]
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"{name}: unknown role {role!r:.40}: expected human or gpt")
    if not text.strip():
        raise ValueError(f"{name}: a message of {role} is empty; remove it or the entry")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(f"{name}: a message of {role} holds half a character: {text!r:.80}")
    return ROLES[role], text


def _move_to_front(question: str) -> str:
    """Take the mark of a single image out of a question; the template puts it in front.

    Several stay where they are, for the words around them say which is which.

    Source: LLaVA-NeXT's code, `train.py`, `preprocess_multimodal`.
    """
    return question.replace(IMAGE, "").strip() if question.count(IMAGE) == 1 else question


def _find_images(named: Any, name: str, images: Path) -> tuple[Path, ...]:
    listed = [] if named in (None, "") else named if isinstance(named, list) else [named]
    if not all(isinstance(one, str) and one for one in listed):
        raise ValueError(
            f"{name}: 'image' must be a file name or a list of them, got {named!r:.80}"
        )
    for one in listed:
        if not os.path.isfile(images / one):  # noqa: PTH113 - Path's own raises for a long name
            raise FileNotFoundError(
                f"{name}: no image file {show(one)} in {images}; see --images and --skip-bad"
            )
    return tuple(images / one for one in listed)
