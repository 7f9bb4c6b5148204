"""The answer loss at one scale, for packed questions and for conversations."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from m3_backbone.hosts.anyres import Size, count_crops
from m3_backbone.hosts.config import crop_layout
from m3_backbone.hosts.llava_next import merge_crops
from m3_backbone.hosts.suppressed import suppress_tokens
from m3_backbone.inference.prompts import IGNORED
from m3_backbone.pooling import pool_tokens
from m3_backbone.training.attention import fit_mask
from m3_backbone.training.conversations import ConversationText
from m3_backbone.training.packing import PackedText, packed_mask, packed_positions


def scale_loss(
    model: Any,
    tokens: Tensor,
    text: PackedText | ConversationText,
    scale: int,
    sizes: Sequence[Size] = (),
) -> Tensor:
    """Take the answer loss at one scale.

    Args:
        model: a stock LLaVA or LLaVA-NeXT.
        tokens: projected tokens of each image or crop [B, N, D].
        text: packed questions or conversations.
        scale: visual tokens to pool an image or crop to.
        sizes: width and height of each image [pixels], for packed questions to a model that cuts
            images; conversations know them.

    Returns:
        Mean cross-entropy over all answer tokens of the batch, a scalar; 0 where there is none.
    """
    if isinstance(text, ConversationText):
        hidden, labels = read_conversations(model, tokens, text, scale)
    else:
        hidden, labels = read_packed(model, tokens, text, scale, sizes)
    # Logits are computed where there is something to learn, M of the B x T places.
    learnt = labels != IGNORED
    logits = suppress_tokens(model, model.lm_head(hidden[learnt]))  # [M, V]
    total = F.cross_entropy(logits.float(), labels[learnt], reduction="sum")
    # Sum and division: a mean over no token would be NaN.
    return total / max(len(logits), 1)


def read_packed(
    model: Any, tokens: Tensor, text: PackedText, scale: int, sizes: Sequence[Size]
) -> tuple[Tensor, Tensor]:
    """Run the language model over packed questions, arguments as for `scale_loss`.

    Returns:
        Hidden states behind the image [B, T, D] and the label at each [B, T].
    """
    text = text.to(tokens.device)
    embed = model.get_input_embeddings()
    visual, counts = visual_rows(model, tokens, scale, sizes)  # [B, V, D]
    before = embed(text.before).expand(len(visual), -1, -1)  # [B, P, D]
    behind = embed(text.ids)  # [B, T, D]
    inputs = torch.cat([before, visual.to(before.dtype), behind], dim=1)  # [B, P + V + T, D]
    hidden = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=fit_mask(model, rows_mask(text, counts)),
        position_ids=rows_positions(text, counts),
        use_cache=False,
        # [B, T, D], what stands behind the image
    ).last_hidden_state[:, -text.ids.shape[1] :]
    return hidden, text.labels


def read_conversations(
    model: Any, tokens: Tensor, text: ConversationText, scale: int
) -> tuple[Tensor, Tensor]:
    """Run the language model over conversations, arguments as for `scale_loss`.

    Returns:
        Hidden states [B, L - 1, D] and the label to predict at each [B, L - 1].
    """
    visual = merge_images(model, tokens, scale, text.sizes) if text.sizes else []
    ids, labels, filled = (
        part.to(tokens.device) for part in text.lay_out([len(one) for one in visual])
    )  # [B, L] each
    inputs = model.get_input_embeddings()(ids)  # [B, L, D]
    if visual:
        # Visual tokens of all images in their order, each at a place of the image token.
        places = (filled & (ids == text.image_token_id))[..., None]
        inputs = inputs.masked_scatter(places, torch.cat(visual).to(inputs.dtype))
    hidden = model.model.language_model(
        inputs_embeds=inputs, attention_mask=filled.long(), use_cache=False
    ).last_hidden_state
    return hidden[:, :-1], labels[:, 1:]  # each place predicts the next id


def join_crops(model: Any, images: Tensor, sizes: Sequence[Size]) -> Tensor:
    """Lay the crops of a batch behind one another, without what fills up images of fewer crops.

    Pixel values [B, C, 3, side, side], as image processors give them for several images, become
    those of the real crops [crops, 3, side, side].
    """
    layout = crop_layout(model.config)
    crops = [count_crops(size, layout) for size in sizes]
    return torch.cat([image[:count] for image, count in zip(images, crops, strict=True)])


def merge_images(model: Any, tokens: Tensor, scale: int, sizes: Sequence[Size]) -> list[Tensor]:
    """Pool the tokens of images and, if the model cuts images, merge their crops.

    Args:
        model: a stock LLaVA, or a LLaVA-NeXT, whose newline then receives its gradient.
        tokens: projected tokens of each image [B, N, D]; of a model that cuts images, those of all
            crops of the first image, then of the second, and so on [crops, N, D].
        scale: visual tokens to pool each image or crop to.
        sizes: width and height of each image [pixels]; only of use where images are cut.

    Returns:
        The visual tokens of each image [n_visual, D].

    Raises:
        ValueError: if there are not as many crops as images of these sizes have.
    """
    layout = crop_layout(model.config)
    pooled = pool_tokens(tokens, scale)  # [images or crops, scale, D]
    if layout is None:
        return list(pooled)
    crops = [count_crops(size, layout) for size in sizes]
    if sum(crops) != len(pooled):
        raise ValueError(
            f"expected {sum(crops)} crops of {len(sizes)} images, got {len(pooled)}: give the "
            "batch the size of each image it holds"
        )
    # Not detached, unlike in inference: it is trained.
    newline = model.model.image_newline
    return [
        merge_crops(part, size, layout, newline)
        for part, size in zip(torch.split(pooled, crops), sizes, strict=True)
    ]


def visual_rows(
    model: Any, tokens: Tensor, scale: int, sizes: Sequence[Size]
) -> tuple[Tensor, list[int]]:
    """Give the visual tokens of images as rows of one length; the arguments as `merge_images` has.

    Returns:
        Rows [B, V, D], filled up with zeros, and the visual tokens of each.
    """
    rows = merge_images(model, tokens, scale, sizes)
    return pad_sequence(rows, batch_first=True), [len(row) for row in rows]


def rows_mask(text: PackedText, counts: Sequence[int]) -> Tensor:
    """Make `packed_mask` for rows of `counts` visual tokens: nobody looks at the filling."""
    width = max(counts)
    mask = packed_mask(text, width)
    start = text.before.shape[-1]
    lengths = torch.tensor(counts, device=mask.device)[:, None]
    is_visual = torch.arange(width, device=mask.device) < lengths  # [B, V], False: filling
    # [B, 1, 1, V] spread over all places that look
    mask[..., start : start + width] &= is_visual[:, None, None]
    return mask


def rows_positions(text: PackedText, counts: Sequence[int]) -> Tensor:
    """Give every place the position it would have without the filling [B, L]."""
    positions = packed_positions(text, max(counts))
    filled = max(counts) - torch.tensor(counts, device=positions.device)[:, None]
    # Only behind the image: what stands before the filling is in its place.
    positions[:, -text.ids.shape[1] :] -= filled
    return positions
