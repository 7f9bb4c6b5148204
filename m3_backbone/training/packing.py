"""Packs all questions about an image into one sequence, for training.

The image stands once at the front; every question sees the image and itself, never its neighbours,
and keeps the positions it would have alone. So a packed step gives the gradient of the separate
ones at a fraction of the cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from m3_backbone.inference.prompts import IGNORED, PromptBuilder, pack_turns

QuestionAnswers = Sequence[tuple[str, str]]
"""What is asked about one image, each question with its answer."""


@dataclass(frozen=True)
class PackedText:
    """The text side of a batch of images, the same at every scale.

    Attributes:
        before: token ids in front of the image, shared by all rows [P], or of each row [B, P].
        ids: token ids behind the image, padded [B, T].
        blocks: number of the question each id belongs to, -1 for padding [B, T].
        offsets: place of each id within its own question [B, T].
        labels: id to predict at each place, -100 where none is [B, T].
        dropped: questions left out because they were longer than allowed.
    """

    before: Tensor
    ids: Tensor
    blocks: Tensor
    offsets: Tensor
    labels: Tensor
    dropped: int

    def answer_tokens(self) -> int:
        """Count the tokens that are learnt."""
        return int((self.labels != IGNORED).sum())

    def to(self, device: torch.device) -> "PackedText":
        """Move the tensors to a device, where masks and positions are then made."""
        names = ("before", "ids", "blocks", "offsets", "labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def pack_texts(
    prompts: PromptBuilder, images: Sequence[QuestionAnswers], max_tokens: int = 1024
) -> PackedText:
    """Pack the questions of each image behind one another.

    A question that would be cut is left out whole and counted, so that no loss is ever taken over a
    half answer or over nothing.

    Args:
        prompts: template and tokenizer.
        images: the questions about each image.
        max_tokens: most ids of one image's questions together.

    Raises:
        ValueError: if an image has no question that fits.
    """
    rows: list[list[tuple[int, int, int, int]]] = []  # id, block, offset and label of each place
    dropped = 0
    for pairs in images:
        row: list[tuple[int, int, int, int]] = []
        for block, (ids, labels) in enumerate(pack_turns(prompts, pairs)):
            if len(row) + len(ids) > max_tokens:
                dropped += 1
                continue
            for offset, (one, label) in enumerate(zip(ids, labels, strict=True)):
                row.append((one, block, offset, label))
        if not row:
            raise ValueError(f"no question of an image fits into {max_tokens} tokens: {pairs!r}")
        rows.append(row)
    length = max(len(row) for row in rows)
    # id, block, offset and label of a place without a token
    padding = (int(prompts.tokenizer.pad_token_id or 0), -1, 0, IGNORED)
    table = torch.tensor([row + [padding] * (length - len(row)) for row in rows])  # [B, T, 4]
    # Any question will do: what stands in front of the image does not depend on it [P].
    before = torch.tensor(prompts.tokenize(images[0][0][0]).before)
    return PackedText(before, table[..., 0], table[..., 1], table[..., 2], table[..., 3], dropped)


def packed_mask(text: PackedText, scale: int) -> Tensor:
    """Say which place may look at which, with `scale` visual tokens of the image.

    Returns:
        Boolean mask [B, 1, L, L] with L = P + scale + T; True where the row's place may look.
    """
    front = text.before.shape[-1] + scale
    batch, length = text.ids.shape
    total = front + length
    ones = torch.ones(total, total, dtype=torch.bool, device=text.ids.device)
    mask = torch.zeros_like(ones).repeat(batch, 1, 1, 1)
    # The front is causal, every question sees all of it, and each question sees itself.
    mask[:, :, :front, :front] = ones[:front, :front].tril()
    mask[:, :, front:, :front] = True
    same = text.blocks[:, :, None] == text.blocks[:, None, :]  # [B, T, T]
    # Padding (block -1) sees padding, which does no harm: it has no label.
    mask[:, 0, front:, front:] = same & ones[front:, front:].tril()
    return mask


def packed_positions(text: PackedText, scale: int) -> Tensor:
    """Give every place the position it would have if its question stood alone [B, L]."""
    front = text.before.shape[-1] + scale
    places = torch.arange(front, device=text.ids.device).expand(len(text.ids), front)
    return torch.cat([places, text.offsets + front], dim=1)
