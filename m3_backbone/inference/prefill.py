"""Reading prompts: visual tokens and text into the key-value cache of the stock model.

Two layouts lead to the same answers. Padded: one prompt per row, padding on the left. Packed: one
image per row, its prompt's beginning read once, then the endings of all its questions side by side,
each seeing the beginning and itself. Packing needs an attention kernel that takes a mask per query.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.host import Host
from m3_backbone.inference.decoding import (
    NOBODY,
    SHARED,
    DecodeState,
    additive_mask,
    cache_arguments,
)


def can_pack(model: StockModel, host: Host) -> bool:
    """Tell whether the packed layout works on a model.

    Its attention must take a full mask, no layer may forget early tokens, and what a prompt begins
    with must not depend on its end.
    """
    if host.reads_both_ways:
        return False
    text = model.config.get_text_config()
    has_window = bool(getattr(text, "sliding_window", None))
    # Flash attention takes no mask of its own for each query.
    return text._attn_implementation in ("sdpa", "eager") and not has_window


def prefill_padded(
    model: StockModel,
    host: Host,
    prompts: Sequence[Sequence[int]],
    features: Sequence[Tensor],
    pad_id: int,
) -> DecodeState:
    """Read one prompt per row, padded on the left.

    Args:
        model: the stock model.
        host: its family.
        prompts: ids of each row, with one place holder for each visual token.
        features: visual tokens of each row [n_visual, D]; rows may differ.
        pad_id: id to pad with; never the image's.
    """
    inputs = pad_prompts(model, host, prompts, features, pad_id)
    # Padded on the left, every row has its last token in the last column.
    cache = DynamicCache(config=model.config.get_text_config())
    out = model(**inputs, **cache_arguments(model, cache), logits_to_keep=1)
    is_read = inputs["attention_mask"]  # [R, L]
    return DecodeState(
        cache=cache,
        owner=torch.where(is_read > 0, 0, NOBODY),  # one slot per row, number 0
        position=is_read.sum(1, keepdim=True) + host.first_position,  # [R, 1]
        logits=out.logits,  # [R, 1, V]
        active=torch.ones_like(is_read[:, :1], dtype=torch.bool),
    )


def read_last_states(
    model: StockModel,
    host: Host,
    prompts: Sequence[Sequence[int]],
    features: Sequence[Tensor],
    pad_id: int,
) -> Tensor:
    """Read one prompt per row, arguments as for `prefill_padded`, and keep no cache.

    Returns:
        Hidden state of the last layer at the last place of each row [R, D].
    """
    inputs = pad_prompts(model, host, prompts, features, pad_id)
    states: Tensor = model.model(**inputs, use_cache=False).last_hidden_state  # [R, L, D]
    return states[:, -1]


def pad_prompts(
    model: StockModel,
    host: Host,
    prompts: Sequence[Sequence[int]],
    features: Sequence[Tensor],
    pad_id: int,
) -> dict[str, Any]:
    """Pad prompts on the left, arguments as for `prefill_padded`; gives inputs of the forward."""
    _check_counts(prompts, features, model.config.image_token_id)
    width = max(map(len, prompts))
    ids = torch.tensor(
        [[pad_id] * (width - len(row)) + list(row) for row in prompts], device=model.device
    )  # [R, L]
    # [R, 1]
    lengths = torch.tensor([len(row) for row in prompts], device=model.device)[:, None]
    # Negative in the padding, 0 at a prompt's first token [R, L].
    position = torch.arange(width, device=model.device) - (width - lengths)
    return {
        "input_ids": ids,
        "attention_mask": (position >= 0).long(),
        "position_ids": position.clamp_min(0) + host.first_position,
        **host.splice(ids, features),
    }


def prefill_packed(
    model: StockModel,
    host: Host,
    beginning: Sequence[int],
    features: Sequence[Tensor],
    endings: Sequence[Sequence[Sequence[int]]],
    pad_id: int,
) -> DecodeState:
    """Read one image per row: the common beginning once, then every question's ending.

    Args:
        model: the stock model, one that `can_pack`.
        host: its family.
        beginning: ids up to and with the visual tokens' place holders, the same for every row.
        features: visual tokens of each row [n_visual, D], the same number in all.
        endings: ids behind the image, for each question of each row.
        pad_id: id to pad with; never the image's.

    Returns:
        The batch, as many slots per row as the row with most questions has.
    """
    _check_counts([beginning] * len(features), features, model.config.image_token_id)
    first = torch.tensor([list(beginning)] * len(features), device=model.device)  # [R, P]
    # Causal and without padding, the beginnings need no mask.
    cache = _read_beginnings(model, first, host.splice(first, features))
    ids, owner, position, last = _pack(endings, len(beginning), pad_id, model.device)
    # An ending's token sees the whole beginning, and what stands before it in its own ending.
    # Padding (`NOBODY`) sees padding here; no column of it is read below.
    same = owner[:, None] == owner[..., None]  # [R, L, L]
    shared = owner.new_full((len(owner), len(beginning)), SHARED)  # [R, P]
    sees_beginning = (shared == SHARED)[:, None].expand(-1, ids.shape[1], -1)  # [R, L, P]
    visible = torch.cat([sees_beginning, same.tril()], dim=2)  # [R, L, P + L]
    hidden = model.model(
        input_ids=ids,
        attention_mask=additive_mask(visible, model.dtype),
        position_ids=position,
        **cache_arguments(model, cache),
    ).last_hidden_state  # [R, L, D]
    # A slot without a question reads column 0; it is not active, so nobody looks at it.
    last_column = last.clamp_min(0)  # [R, Q]
    # Under a device map the last layer may lie elsewhere than the first.
    columns = last_column.to(hidden.device)[..., None].expand(-1, -1, hidden.shape[-1])
    ends = hidden.gather(1, columns)  # [R, Q, D]
    return DecodeState(
        cache=cache,
        owner=torch.cat([shared, owner], dim=1),  # [R, P + L]
        # [R, Q]
        position=position.gather(1, last_column) + 1,
        logits=model.lm_head(ends).to(model.device),  # [R, Q, V]
        active=last >= 0,
    )


class _CacheFull(Exception):
    """Ends a forward of which nobody wants more than the cache."""


class _BeginningCache(DynamicCache):
    """Ends the forward when the last layer has its keys and values."""

    n_layers = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *rest: Any, **more: Any
    ) -> tuple[Tensor, Tensor]:
        """Keep keys and values of a layer, as transformers asks for it.

        Raises:
            _CacheFull: if it is the last layer.
        """
        # Kept before the forward ends: the cache is whole when it is caught.
        states = super().update(key_states, value_states, layer_idx, *rest, **more)
        if layer_idx + 1 == self.n_layers:
            raise _CacheFull
        return states


def _read_beginnings(model: StockModel, ids: Tensor, spliced: dict[str, Any]) -> DynamicCache:
    """Read ids [R, P] into a cache and leave out all that comes behind the last layer's keys.

    That is most of a layer: a quarter of the work with four of them.
    """
    text = model.config.get_text_config()
    if getattr(model, "hf_device_map", None):
        # Weights that a hook fetches for a layer are only put back by its end.
        whole = DynamicCache(config=text)
        model.model(input_ids=ids, **cache_arguments(model, whole), **spliced)
        return whole
    cache = _BeginningCache(config=text)
    cache.n_layers = text.num_hidden_layers
    with suppress(_CacheFull):
        model.model(input_ids=ids, **cache_arguments(model, cache), **spliced)
    cache.n_layers = 0  # what is read next runs to its end
    return cache


def _pack(
    endings: Sequence[Sequence[Sequence[int]]], start: int, pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lay endings side by side.

    Gives ids, owners and positions [R, L], and the column of each ending's last token, -1 where a
    row has fewer endings [R, Q].
    """
    ids = [[token for ending in row for token in ending] for row in endings]
    owners = [[slot for slot, ending in enumerate(row) for _ in ending] for row in endings]
    # Every ending starts right behind the beginning, wherever it stands in the row.
    positions = [[start + i for ending in row for i in range(len(ending))] for row in endings]
    lasts = [[total - 1 for total in accumulate(map(len, row))] for row in endings]
    return (
        _fill(ids, pad_id, device),
        _fill(owners, NOBODY, device),
        _fill(positions, start, device),
        _fill(lasts, -1, device),
    )


def _fill(rows: Sequence[Sequence[int]], filler: int, device: torch.device) -> Tensor:
    """Make a table of rows of different length, filled up on the right."""
    width = max(map(len, rows))
    table = [[*row, *[filler] * (width - len(row))] for row in rows]
    return torch.tensor(table, dtype=torch.long, device=device)


def _check_counts(
    prompts: Sequence[Sequence[int]], features: Sequence[Tensor], image_token_id: int
) -> None:
    # Row by row: transformers compares the batch's totals only, so that two rows whose features
    # were swapped would pass there.
    for row, (prompt, tokens) in enumerate(zip(prompts, features, strict=True)):
        expected = list(prompt).count(image_token_id)
        if len(tokens) != expected:
            raise ValueError(
                f"row {row}: the prompt has room for {expected} visual tokens, "
                f"its image has {len(tokens)}"
            )
