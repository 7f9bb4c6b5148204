"""The loop over the stock model's forward, for many answers per row.

A row of the batch is one key-value cache; the answers that share it are its slots. Each cached
position belongs to one slot, to all of them (`SHARED`: the prompt's beginning) or to none
(`NOBODY`: padding), and a slot sees what is its own or shared. Plain batches have one slot per row.

This is not `transformers.generate`: there is no beam and no penalty, rows that have finished leave
the batch, and each answer may draw its tokens, or end, in its own way (`token_sampler.py`).
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.suppressed import suppress_tokens
from m3_backbone.inference.answers import Generated
from m3_backbone.inference.token_sampler import TokenSampler

SHARED = -1
NOBODY = -2


@dataclass
class DecodeState:
    """Where the rows of a batch stand between two tokens.

    Attributes:
        cache: keys and values of what was read so far.
        owner: who may see each cached position: a slot, `SHARED` or `NOBODY` [R, K].
        position: position of the next token of each slot [R, Q].
        logits: logits of the next token of each slot [R, Q, V].
        active: slots whose answer goes on [R, Q].
        closing: tokens that are a slot's whole answer if they come first, else -1 [R, Q, n].
    """

    cache: DynamicCache
    owner: Tensor
    position: Tensor
    logits: Tensor
    active: Tensor
    closing: Tensor | None = None


@dataclass(frozen=True)
class DecodeOutput:
    """What the loop produced, on the CPU.

    Attributes:
        token_ids: generated ids, 0 behind an answer's end [R, Q, T].
        lengths: generated tokens, the end token included [R, Q].
        logprob: summed log-probability of the generated tokens [R, Q].
        margin: top-1 minus top-2 log-probability at the first token [R, Q].
        stopped: whether the answer came to an end, not to the limit [R, Q].
    """

    token_ids: Tensor
    lengths: Tensor
    logprob: Tensor
    margin: Tensor
    stopped: Tensor

    def split(self) -> list[list[Generated]]:
        """Give what each slot of each row generated."""
        columns = (self.token_ids, self.lengths, self.logprob, self.margin, self.stopped)
        return [
            [Generated(ids[:length], *numbers) for ids, length, *numbers in zip(*row, strict=True)]
            for row in zip(*(column.tolist() for column in columns), strict=True)
        ]


class _Record:
    """Collects the answers; its rows are those of the batch at the start."""

    def __init__(self, active: Tensor, max_new_tokens: int) -> None:
        shape = active.shape  # [R, Q]
        device = active.device
        self.token_ids = torch.zeros((*shape, max_new_tokens), dtype=torch.long, device=device)
        self.lengths = torch.zeros(shape, dtype=torch.long, device=device)
        self.logprob = torch.zeros(shape, device=device)
        self.margin = torch.zeros(shape, device=device)

    def add(
        self, rows: Tensor, slots: Tensor, live: Tensor, logprobs: Tensor, tokens: Tensor
    ) -> None:
        """Note the token [r, q] of each slot [r, q] that is live [r, q], of rows [r, 1].

        r and q are what the batch still holds of its R rows and Q slots; log-probabilities are
        [r, q, V].
        """
        top = logprobs.topk(2, dim=-1).values  # [r, q, 2]
        said = logprobs.gather(-1, tokens[..., None])[..., 0]  # [r, q]
        # From here on one entry for each live slot.
        rows = rows.expand_as(slots)[live]
        slots = slots[live]
        step = self.lengths[rows, slots]
        self.token_ids[rows, slots, step] = tokens[live]
        self.lengths[rows, slots] = step + 1
        # No (row, slot) pair occurs twice, so that += on indices loses nothing.
        self.logprob[rows, slots] += said[live]
        first = step == 0  # the margin is that of an answer's first token
        self.margin[rows[first], slots[first]] = (top[..., 0] - top[..., 1])[live][first]

    def finish(self, ends: Tensor, closing: Tensor | None) -> DecodeOutput:
        last = (self.lengths - 1).clamp_min(0)[..., None]  # [R, Q, 1]
        stopped = torch.isin(self.token_ids.gather(-1, last)[..., 0], ends)
        if closing is not None:
            closed = (self.token_ids[..., :1] == closing).any(-1)
            stopped |= closed & (self.lengths == 1)
        parts = (self.token_ids, self.lengths, self.logprob, self.margin, stopped)
        return DecodeOutput(*(part.cpu() for part in parts))


def decode(
    model: StockModel,
    state: DecodeState,
    eos_ids: tuple[int, ...],
    max_new_tokens: int,
    samplers: Sequence[TokenSampler | None] = (),
) -> DecodeOutput:
    """Generate tokens for every active slot until it ends: the most probable ones.

    The state, the batch after its prompts were read, is used up by this call.

    Args:
        model: the stock model.
        state: where the batch stands.
        eos_ids: tokens that end an answer.
        max_new_tokens: most tokens of an answer.
        samplers: of rows of one slot, what chooses their tokens; None for the most probable ones.

    Raises:
        ValueError: if the model gives no numbers for the first token.
    """
    if bool(state.logits.isnan().any()):
        raise ValueError(
            "the model's outputs are NaN: its weights or settings are damaged, its images hold "
            "NaN, or the dtype is too narrow for it"
        )
    record = _Record(state.active, max_new_tokens)
    device = state.active.device
    ends = torch.tensor(eos_ids, dtype=torch.long, device=device)
    row_ids = torch.arange(len(state.active), device=device)[:, None]  # [R, 1]
    slots = torch.arange(state.active.shape[1], device=device).expand_as(state.active)  # [R, Q]
    live = state.active
    logits = state.logits
    # `slots` and `live` [R, q] shrink with the batch; `row_ids` keeps each row's first number.
    for step in range(max_new_tokens):
        # In float32: in half precision small gaps between tokens would be rounded away.
        logprobs = suppress_tokens(model, logits).float().log_softmax(-1)  # [r, q, V]
        best = logprobs.argmax(-1)  # [r, q]
        cut = _sample_tokens(samplers, row_ids, live, logprobs, best)
        record.add(row_ids, slots, live, logprobs, best)
        ended = torch.isin(best, ends)
        if step == 0 and state.closing is not None:
            # best [R, Q, 1] against closing [R, Q, n]
            ended |= (best[..., None] == state.closing).any(-1)
        state.active.scatter_(1, slots, live & ~ended & ~cut)
        # The last token is noted but never read: its key and value would serve nobody.
        if step + 1 == max_new_tokens or not bool(state.active.any()):
            break
        # Back from the places of the live slots [r, q] to all slots [r, Q].
        tokens = torch.zeros_like(state.position).scatter_(1, slots, best)
        kept = _drop_finished_rows(state)
        tokens = tokens[kept]
        row_ids = row_ids[kept]
        slots, live = _pick_slots(state.active)
        logits = _step(model, state, tokens.gather(1, slots), slots, live)
    return record.finish(ends, state.closing)


def _sample_tokens(
    samplers: Sequence[TokenSampler | None],
    rows: Tensor,
    live: Tensor,
    logprobs: Tensor,
    best: Tensor,
) -> Tensor:
    """Put the tokens of rows that have a sampler into `best`, other arguments as `_Record.add`.

    Returns:
        Whether the answer ends with the token even if that is no end [r, q].
    """
    cut = torch.zeros_like(live)
    if not samplers:
        return cut
    # These rows have one slot.
    facts = (rows[:, 0].tolist(), live[:, 0].tolist(), best[:, 0].tolist())
    for place, (row, is_live, token) in enumerate(zip(*facts, strict=True)):
        sampler = samplers[row]
        if sampler is not None and is_live:
            best[place, 0], cut[place, 0] = sampler.sample(token, logprobs[place, 0])
    return cut


def cache_arguments(model: StockModel, cache: DynamicCache) -> dict[str, Any]:
    """Arguments of the model's forward that let it read and extend a cache.

    transformers 5.24 renamed the argument, and warns of the old name.
    """
    names = inspect.signature(type(model).forward).parameters
    return {"cache" if "cache" in names else "past_key_values": cache, "use_cache": True}


def additive_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn a table of which query sees which key [R, L, K] into what attention adds to its scores.

    That is 0 where visible, the most negative number elsewhere [R, 1, L, K].
    """
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[:, None]


def _drop_finished_rows(state: DecodeState) -> Tensor:
    """Give up rows without an active slot once they are half of the batch; return the rows kept."""
    wanted = state.active.any(1)  # [r]
    everything = torch.arange(len(wanted), device=wanted.device)
    # Selecting copies the cache, so it has to pay for itself.
    if 2 * int(wanted.sum()) > len(wanted):
        return everything
    kept = everything[wanted]
    # The layers of the cache may lie on several devices, and each takes indices from the CPU.
    state.cache.batch_select_indices(kept.cpu())
    state.owner = state.owner[kept]
    state.position = state.position[kept]
    state.active = state.active[kept]
    return kept


def _pick_slots(active: Tensor) -> tuple[Tensor, Tensor]:
    """Move active slots to the front: slot numbers and whether they are live, both [R, q]."""
    width = int(active.sum(1).max())
    # Stable: slots keep their order, and active ones (1) come before the others (0).
    slots = active.int().argsort(dim=1, descending=True, stable=True)[:, :width]
    return slots, active.gather(1, slots)


def _step(
    model: StockModel,
    state: DecodeState,
    tokens: Tensor,
    slots: Tensor,
    live: Tensor,
) -> Tensor:
    """Read one token per slot [R, q] and return the logits of the next ones [R, q, V]."""
    # A slot that only fills the row up writes keys too, which nobody may see.
    owner = torch.where(live, slots, NOBODY)  # [R, q]
    state.owner = torch.cat([state.owner, owner], dim=1)  # [R, K + q]
    if state.active.shape[1] == 1:
        # One answer per row needs no table: any attention kernel takes a padding mask.
        mask = (state.owner != NOBODY).long()
    else:
        keys = state.owner[:, None]  # [R, 1, K + q]
        visible = (keys == owner[..., None]) | (keys == SHARED)  # [R, q, K + q]
        mask = additive_mask(visible, model.dtype)
    inputs: dict[str, Any] = {
        "input_ids": tokens,
        "attention_mask": mask,
        "position_ids": state.position.gather(1, slots),
        **cache_arguments(model, state.cache),
    }
    # After `position_ids` was gathered: the token read now stands at the old position.
    state.position.scatter_add_(1, slots, live.long())
    logits = model(**inputs).logits
    return torch.as_tensor(logits)
