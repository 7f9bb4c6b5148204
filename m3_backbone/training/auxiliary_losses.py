"""Two losses beside that of the answers, for language models that start from random weights.

Grounding: attention that is spread over an image learns what an image holds on the whole, never
what belongs to one thing in it. So some heads of one layer are trained to attend to the patches of
the thing that a question is about. Alignment: a visual token should lie near the word for what its
patch shows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from m3_backbone.inference.prompts import IGNORED
from m3_backbone.pooling import pool_tokens
from m3_backbone.training.packing import PackedText

ALIGN_TEMPERATURE = 0.07

LAYER = 1
"""Layer of the language model whose attention is trained."""

HEADS = (0, 2)

SMALLEST_SCALE = 36
"""Fewer visual tokens do not say where a thing is."""


@contextmanager
def watched_layer(model: Any) -> Iterator[dict[str, Any]]:
    """Keep what goes into layer `LAYER` of the language model while the block lasts.

    Args:
        model: a stock `LlavaForConditionalGeneration` with a Llama inside.

    Yields:
        `hidden` [B, L, D] and `angles`, the cosines and sines of the positions.
    """
    inputs: dict[str, Any] = {}

    def keep(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs["hidden"] = args[0] if args else kwargs["hidden_states"]
        inputs["angles"] = kwargs["position_embeddings"]

    layer = model.model.language_model.layers[LAYER]
    # A hook and not `output_attentions`, which needs eager attention in all layers.
    handle = layer.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield inputs
    finally:
        handle.remove()


def attention_scores(
    model: Any, inputs: dict[str, Any], front: int, scale: int, behind: int
) -> Tensor:
    """Compute attention logits of the tokens behind the image on the visual tokens.

    They are those of `HEADS`, which must not share keys [B, len(HEADS), behind, scale].
    """
    layer = model.model.language_model.layers[LAYER]
    attention = layer.self_attn
    normed = layer.input_layernorm(inputs["hidden"])  # [B, L, D]
    shape = (*normed.shape[:2], -1, attention.head_dim)
    queries = attention.q_proj(normed).view(shape).transpose(1, 2)  # [B, heads, L, head size]
    keys = attention.k_proj(normed).view(shape).transpose(1, 2)
    turn: Any = apply_rotary_pos_emb
    queries, keys = turn(queries, keys, *inputs["angles"])
    # Only what stands behind the image asks, and only the image's tokens are rated.
    # [B, len(HEADS), behind, head size]
    queries = queries[:, list(HEADS), -behind:]
    # [B, len(HEADS), scale, head size]
    keys = keys[:, list(HEADS), front : front + scale]
    products = queries @ keys.transpose(2, 3)  # [B, len(HEADS), behind, scale]
    scores: Tensor = products.float() * attention.head_dim**-0.5
    return scores


def ground_loss(
    model: Any, inputs: dict[str, Any], text: PackedText, places: Tensor, scale: int
) -> Tensor:
    """Ask for attention on the patches of what a question is about.

    Args:
        model: the model that was watched.
        inputs: what `watched_layer` kept during the forward pass at this scale.
        text: the packed questions.
        places: where what each question is about lies at full scale [B, questions, N]. 0: not
            there; 1: there, for the whole answer; k > 1: there, for the k-th token from the
            answer's end alone, where the end token is the first. All 0 for a question about
            nothing in particular.
        scale: visual tokens.

    Returns:
        Mean over heads and answer tokens of minus the log of the attention, among visual tokens,
        that falls on the right ones; a scalar, 0 where no question is about anything.
    """
    device = inputs["hidden"].device
    row, token, right = find_places(text, places, device)
    if not len(row):
        return torch.zeros((), device=device)
    # A pooled token is right if any patch under it is [M, scale].
    # Tokens of width 1, so that the mean over a square is the share of right patches.
    pooled = pool_tokens(right.float()[..., None], scale)[..., 0] > 0
    scores = attention_scores(model, inputs, len(text.before), scale, text.ids.shape[1])
    shares = F.log_softmax(scores[row, :, token], dim=-1)  # [M, len(HEADS), scale]
    # The sum of the right tokens' shares in log space; none of M rows is all -inf.
    return -shares.masked_fill(~pooled[:, None], float("-inf")).logsumexp(-1).mean()


def find_places(
    text: PackedText, places: Tensor, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the answer tokens that hang on some patch, and the patches.

    Returns:
        Row and place behind the image of each such token [M] and [M], and its patches [M, N].
    """
    blocks = text.blocks.to(device)  # [B, T]
    answered = text.labels.to(device) != IGNORED
    row, token = torch.nonzero(answered, as_tuple=True)  # one entry for each answer token
    # [answer tokens]
    block = blocks[row, token]
    # Answer tokens of the same question from here on: 1 at the end token.
    # Flipped, summed and flipped back: a running count from the end [answer tokens, T].
    rest = (answered[row] & (blocks[row] == block[:, None])).flip(1).cumsum(1).flip(1)
    left = rest[torch.arange(len(row), device=device), token]
    maps = places.to(device)[row, block].to(torch.int64)  # [answer tokens, N]
    right = (maps == 1) | ((maps > 1) & (maps == left[:, None]))
    some = right.any(-1)
    return row[some], token[some], right[some]


def align_loss(model: Any, tokens: Tensor, content: Tensor, ids: Sequence[int]) -> Tensor:
    """Ask each visual token to lie nearest to the word for what its patch shows.

    With visual tokens and words in one space, finding the patch that a word names is one and the
    same operation for every word, and need not be learnt word by word.

    Args:
        model: a stock `LlavaForConditionalGeneration`; its input embeddings are the words.
        tokens: projected tokens at full scale [B, N, D].
        content: class shown on each patch [B, N].
        ids: token id of each class, -1 for a class without a word.

    Returns:
        Mean cross-entropy over the patches whose class has a word, a scalar; the logits are cosines
        over `ALIGN_TEMPERATURE`, as in CLIP (arXiv 2103.00020, figure 3).
    """
    word_ids = torch.tensor(ids, device=tokens.device)
    known = torch.nonzero(word_ids >= 0)[:, 0]
    # Class -> row of `words`, -1 for a class without a word.
    place = torch.full((len(ids),), -1, device=tokens.device)
    place[known] = torch.arange(len(known), device=tokens.device)
    # [B * N]
    wanted = place[content.to(tokens.device)].flatten()
    # [known classes, D] against [B * N, D]
    words = model.get_input_embeddings().weight[word_ids[known]]
    patches = tokens.float().flatten(0, 1)[wanted >= 0]
    # [patches, known classes]
    cosines = F.normalize(patches, dim=-1) @ F.normalize(words.float(), dim=-1).T
    total = F.cross_entropy(cosines / ALIGN_TEMPERATURE, wanted[wanted >= 0], reduction="sum")
    # Sum and division: a mean over no patch would be NaN.
    return total / max(len(patches), 1)
