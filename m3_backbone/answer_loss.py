"""The answer loss at one scale, for packed questions and for conversations."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m3_backbone.anyres import Size
from m3_backbone.barred import bar_tokens
from m3_backbone.conversations import ConversationText
from m3_backbone.packing import IGNORED, PackedText
from m3_backbone.visual_rows import merge_images, rows_mask, rows_positions, visual_rows


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
    asked = labels != IGNORED
    logits = bar_tokens(model, model.lm_head(hidden[asked]))
    total = F.cross_entropy(logits.float(), labels[asked], reduction="sum")
    return total / max(len(logits), 1)


def read_packed(
    model: Any, tokens: Tensor, text: PackedText, scale: int, sizes: Sequence[Size]
) -> tuple[Tensor, Tensor]:
    """Run the language model over packed questions.

    Args:
        model: a stock LLaVA or LLaVA-NeXT.
        tokens: projected tokens of each image or crop [B, N, D].
        text: the packed questions.
        scale: visual tokens to pool an image or crop to.
        sizes: width and height of each image [pixels].

    Returns:
        Hidden states behind the image [B, T, D] and the label at each [B, T].
    """
    device = tokens.device
    embed = model.get_input_embeddings()
    seen, counts = visual_rows(model, tokens, scale, sizes)
    before = embed(text.before.to(device)).expand(len(seen), -1, -1)
    inputs = torch.cat([before, seen.to(before.dtype), embed(text.ids.to(device))], dim=1)
    hidden = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=rows_mask(text, counts).to(device),
        position_ids=rows_positions(text, counts).to(device),
        use_cache=False,
    ).last_hidden_state[:, -text.ids.shape[1] :]
    return hidden, text.labels.to(device)


def read_conversations(
    model: Any, tokens: Tensor, text: ConversationText, scale: int
) -> tuple[Tensor, Tensor]:
    """Run the language model over conversations.

    Args:
        model: a stock LLaVA or LLaVA-NeXT.
        tokens: projected tokens of each image or crop [B, N, D]; not read if the text shows none.
        text: the conversations.
        scale: visual tokens to pool an image or crop to.

    Returns:
        Hidden states [B, L - 1, D] and the label to predict at each [B, L - 1].
    """
    visual = merge_images(model, tokens, scale, text.sizes) if text.sizes else []
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
