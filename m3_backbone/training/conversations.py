"""Conversations of several turns, each one sequence in which later turns see the earlier ones.

Unlike `packing.py`, where each question sees the image and itself only. Learnt are the answers and
the token that ends each, as LLaVA's own preprocessing has it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from m3_backbone.hosts.anyres import Size
from m3_backbone.inference.conversations import render_turns
from m3_backbone.inference.prompts import IGNORED, PromptBuilder, Turn

Labelled = tuple[list[int], list[int]]
"""Ids of a conversation, the image token once per image, and the label of each."""


@dataclass(frozen=True)
class ConversationText:
    """The text side of a batch of conversations, the same at every scale.

    Attributes:
        rows: the conversations; a label is the id at its own place, -100 where none is learnt.
        image_token_id: id that stands for an image.
        sizes: width and height of each image that is left, in order [pixels].
        dropped: conversations of which no label fitted; only their first id is left.
    """

    rows: tuple[Labelled, ...]
    image_token_id: int
    sizes: tuple[Size, ...]
    dropped: int

    def answer_tokens(self) -> int:
        """Count the tokens that are learnt."""
        return sum(label != IGNORED for _, labels in self.rows for label in labels)

    def lay_out(self, counts: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Give every image room for its number of visual tokens.

        Returns:
            Ids, labels and whether a place is filled, all [B, L], padded on the right.
        """
        # One iterator for all rows: counts are in the order of the images of the batch.
        rest = iter(counts)
        rows = [self._expand(row, rest) for row in self.rows]
        length = max(len(row) for row in rows)
        padding = (0, IGNORED, 0)  # id, label, whether it is filled
        table = torch.tensor([row + [padding] * (length - len(row)) for row in rows])  # [B, L, 3]
        return table[..., 0], table[..., 1], table[..., 2].bool()

    def _expand(self, row: Labelled, counts: Iterator[int]) -> list[tuple[int, int, int]]:
        """List id, label and 1 for each place, an image's id as often as it has tokens."""
        places: list[tuple[int, int, int]] = []
        for one, label in zip(*row, strict=True):
            places += [(one, label, 1)] * (next(counts) if one == self.image_token_id else 1)
        return places


def spell_marker(prompts: PromptBuilder) -> list[int]:
    """Tokenize the text of the image marker as any other text."""
    read = prompts.tokenizer(
        f"\n{prompts.image_marker}",
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
    )
    # The line break keeps a tokenizer from putting a space in front, and is dropped.
    places = zip(read["input_ids"], read["offset_mapping"], strict=True)
    return [one for one, (start, _) in places if start > 0]


def tokenize_turns(prompts: PromptBuilder, turns: Sequence[Turn]) -> Labelled:
    """Tokenize a conversation and label its answers with their ends.

    Raises:
        ValueError: if the template or the tokenizer changes what is said, or loses an image.

    Source: LLaVA's official code, `train.py`, `preprocess_v1`.
    """
    text, answers = render_turns(prompts, turns)
    read = prompts.tokenizer(
        text, add_special_tokens=prompts.adds_start(text), return_offsets_mapping=True
    )
    expected = sum(turn[0] for turn in turns)
    # Without images a marker is a word that people use.
    spelled = {} if expected else {prompts.image_token_id: spell_marker(prompts)}
    ids: list[int] = []
    labels: list[int] = []
    for token, (start, _) in zip(read["input_ids"], read["offset_mapping"], strict=True):
        # By its first character: a token belongs where it begins.
        is_learnt = any(start in answer for answer in answers)
        for one in spelled.get(token, [token]):
            ids.append(one)
            labels.append(one if is_learnt else IGNORED)
    images = ids.count(prompts.image_token_id)
    stops = {answer.stop for answer in answers}
    places = zip(read["input_ids"], read["offset_mapping"], strict=True)
    last = [token for token, (_, stop) in places if stop in stops]
    ends = sum(token in prompts.special_tokens for token in last)
    if images != expected or ends < len(turns):
        raise ValueError(
            f"expected {expected} image tokens and {len(turns)} ends of answers, got {images} and "
            f"{ends}: the tokenizer splits them or the template leaves them out of {text!r}"
        )
    return ids, labels


def cut_row(row: Labelled, visual: Sequence[int], image_token_id: int, max_length: int) -> Labelled:
    """Keep as much of the start of a conversation as fits.

    `visual` are the visual tokens of each of its images, which count towards `max_length` too. Only
    the first id, without a label, is left if no label would be.
    """
    ids, labels = row
    rest = iter(visual)
    used = 0
    end = len(ids)
    for place, one in enumerate(ids):
        # An image is cut whole or not at all.
        used += next(rest) if one == image_token_id else 1
        if used > max_length:
            end = place
            break
    if all(label == IGNORED for label in labels[:end]):
        return ids[:1], [IGNORED]
    return ids[:end], labels[:end]


def pack_conversations(
    prompts: PromptBuilder,
    conversations: Sequence[tuple[Sequence[Turn], Sequence[Size]]],
    count_visual: Callable[[Size], int],
    max_length: int,
) -> ConversationText:
    """Make a batch of conversations.

    They are cut where the largest scale would be too long, at all scales alike, so that every scale
    learns the same tokens and none is left with nothing to learn.

    Args:
        prompts: template and tokenizer.
        conversations: the turns and the sizes of the images of each.
        count_visual: size of an image -> its visual tokens at the largest scale.
        max_length: most tokens of a conversation at the largest scale.
    """
    image_token_id = prompts.image_token_id
    rows: list[Labelled] = []
    kept: list[Size] = []
    dropped = 0
    for turns, sizes in conversations:
        visual = [count_visual(size) for size in sizes]
        row = cut_row(tokenize_turns(prompts, turns), visual, image_token_id, max_length)
        dropped += all(label == IGNORED for label in row[1])
        # Images behind the cut have no place left in the row.
        kept += sizes[: row[0].count(image_token_id)]
        rows.append(row)
    return ConversationText(tuple(rows), image_token_id, tuple(kept), dropped)
