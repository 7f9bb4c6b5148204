"""The answer loss at one scale, for packed questions and for conversations."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m3_backbone.anyres import Size, count_crops
from m3_backbone.barred import bar_tokens
from m3_backbone.conversations import ConversationText
from m3_backbone.geometry import crop_layout
from m3_backbone.packing import IGNORED, PackedText, packed_mask, packed_positions
from m3_backbone.pooling import pool_tokens
from m3_backbone.pyramids import build_pyramids


def scale_loss(
    model: Any, tokens: Tensor, text: PackedText | ConversationText, scale: int
) -> Tensor:
    """Take the answer loss at one scale.

    Args:
        model: a stock LLaVA; LLaVA-NeXT for conversations only.
        tokens: projected tokens of each image or crop [B, N, D].
        text: packed questions or conversations.
        scale: visual tokens to pool an image or crop to.

    Returns:
        Mean cross-entropy over all answer tokens of the batch, a scalar; 0 where there is none.
    """
    if isinstance(text, ConversationText):
        hidden, labels = read_conversations(model, tokens, text, scale)
    else:
        hidden, labels = read_packed(model, tokens, text, scale)
    asked = labels != IGNORED
    logits = bar_tokens(model, model.lm_head(hidden[asked]))
    total = F.cross_entropy(logits.float(), labels[asked], reduction="sum")
    return total / max(len(logits), 1)


def read_packed(model: Any, tokens: Tensor, text: PackedText, scale: int) -> tuple[Tensor, Tensor]:
    """Run the language model over packed questions.

    Args:
        model: a stock `LlavaForConditionalGeneration`.
        tokens: projected tokens of each image [B, N, D].
        text: the packed questions.
        scale: visual tokens to pool to.

    Returns:
        Hidden states behind the image [B, T, D] and the label at each [B, T].
    """
    device = tokens.device
    embed = model.get_input_embeddings()
    before = embed(text.before.to(device)).expand(len(tokens), -1, -1)
    pooled = pool_tokens(tokens, scale).to(before.dtype)
    inputs = torch.cat([before, pooled, embed(text.ids.to(device))], dim=1)
    hidden = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=packed_mask(text, scale).to(device),
        position_ids=packed_positions(text, scale).to(device),
        use_cache=False,
    ).last_hidden_state[:, -text.ids.shape[1] :]
    return hidden, text.labels.to(device)


def read_conversations(
    model: Any, tokens: Tensor, text: ConversationText, scale: int
) -> tuple[Tensor, Tensor]:
    """Run the language model over conversations.

    Args:
        model: a stock LLaVA or LLaVA-NeXT.
        tokens: projected tokens of each image or crop [B, N, D]; what is behind the last one that
            the text names is not read.
        text: the conversations.
        scale: visual tokens to pool an image or crop to.

    Returns:
        Hidden states [B, L - 1, D] and the label to predict at each [B, L - 1].
    """
    visual = merge_images(model, tokens, text.sizes, scale)
    ids, labels, filled = (
        part.to(tokens.device) for part in text.lay_out([len(one) for one in visual])
    )
    inputs = model.get_input_embeddings()(ids)
    if visual:
        places = (filled & (ids == text.image_token_id))[..., None]
        inputs = inputs.masked_scatter(places, torch.cat(visual).to(inputs.dtype))
    hidden = model.model.language_model(
        inputs_embeds=inputs, attention_mask=filled.long(), use_cache=False
    ).last_hidden_state
    return hidden[:, :-1], labels[:, 1:]


def merge_images(model: Any, tokens: Tensor, sizes: Sequence[Size], scale: int) -> list[Tensor]:
    """Pool the crops of images and merge them as the model needs it.

    Args:
        model: a stock LLaVA or LLaVA-NeXT; the newline of the latter gets no gradient.
        tokens: projected tokens of all crops, image by image [B, N, D].
        sizes: width and height of each image [pixels].
        scale: visual tokens a crop.

    Returns:
        The visual tokens of each image [n_visual, D].
    """
    layout = crop_layout(model.config)
    counts = [count_crops(size, layout) for size in sizes]
    parts = list(torch.split(tokens[: sum(counts)], counts))
    crops = parts if layout else [part[0] for part in parts]
    return [one[scale] for one in build_pyramids(model, crops, sizes, (scale,), "average")]
