import pytest
import torch
from transformers import DynamicCache

from m3_backbone.inference.decoding import SHARED, DecodeState, additive_mask, decode

VOCAB = 10


class Counter:
    """Says, after token t, t + 1 with certainty; notes what it was asked to read."""

    dtype = torch.float32

    def __init__(self):
        self.read = []

    def forward(self, input_ids, attention_mask, position_ids, past_key_values, use_cache):
        self.read.append(input_ids.clone())
        return Output(as_logits(input_ids + 1))

    __call__ = forward


class Output:
    def __init__(self, logits):
        self.logits = logits


def as_logits(tokens):
    return 5.0 * torch.nn.functional.one_hot(tokens % VOCAB, VOCAB).float()


def start(first_tokens):
    """A batch after prompts of three tokens, about to say `first_tokens` [R, Q]; -1 is no slot."""
    first = torch.tensor(first_tokens)
    cache = DynamicCache()
    values = torch.arange(len(first), dtype=torch.float32)[:, None, None, None].expand(-1, 1, 3, 2)
    cache.update(values, values, 0)
    return DecodeState(
        cache=cache,
        owner=torch.full((len(first), 3), SHARED),
        position=torch.full_like(first, 3),
        logits=as_logits(first.clamp_min(0)),
        active=first >= 0,
    )


def decode_ids(first_tokens, eos_ids, max_new_tokens):
    output = decode(Counter(), start(first_tokens), eos_ids, max_new_tokens)
    return [
        [ids[:length].tolist() for ids, length in zip(row, lengths, strict=True)]
        for row, lengths in zip(output.token_ids, output.lengths.tolist(), strict=True)
    ]


def test_every_slot_goes_on_to_its_own_end():
    assert decode_ids([[5, 8], [7, 2]], (9,), 4) == [
        [[5, 6, 7, 8], [8, 9]],
        [[7, 8, 9], [2, 3, 4, 5]],
    ]


def test_any_of_several_ends_will_do():
    assert decode_ids([[5], [1]], (9, 3), 6) == [[[5, 6, 7, 8, 9]], [[1, 2, 3]]]


def test_without_an_end_the_limit_holds():
    assert decode_ids([[8]], (), 4) == [[[8, 9, 0, 1]]]


def test_an_absent_slot_says_nothing():
    assert decode_ids([[5, -1], [-1, -1]], (7,), 9) == [[[5, 6, 7], []], [[], []]]


def test_finished_rows_and_slots_are_not_read_again():
    model = Counter()
    decode(model, start([[8, 8], [8, 8], [8, 4], [8, 8]]), (9,), 4)
    # The first step reads all of them; then one slot of one row is left.
    assert [tuple(read.shape) for read in model.read] == [(4, 2), (1, 1), (1, 1)]
    assert [read[-1, 0].item() for read in model.read[1:]] == [5, 6]


def test_the_cache_keeps_the_rows_that_go_on():
    state = start([[9], [9], [4], [9]])
    decode(Counter(), state, (9,), 3)
    assert state.cache.layers[0].keys[:, 0, 0, 0].tolist() == [2]
    assert state.owner.shape == (1, 5)
    assert state.position.tolist() == [[5]]


def test_a_closing_token_ends_an_answer_only_where_it_comes_first():
    state = start([[5, 5], [4, 5]])
    state.closing = torch.tensor([[[-1, 5], [-1, -1]], [[5, -1], [6, -1]]])
    output = decode(Counter(), state, (9,), 3)
    assert output.lengths.tolist() == [[1, 3], [3, 3]]
    assert output.token_ids[0].tolist() == [[5, 0, 0], [5, 6, 7]]
    assert output.stopped.tolist() == [[True, False], [False, False]]


def test_an_end_is_told_from_the_limit():
    output = decode(Counter(), start([[5, 8], [7, 2]]), (9,), 4)
    assert output.stopped.tolist() == [[False, True], [True, False]]
    assert decode(Counter(), start([[9]]), (9,), 1).stopped.tolist() == [[True]]


def test_log_probability_and_margin_are_those_of_the_softmax():
    output = decode(Counter(), start([[5]]), (7,), 9)
    # Logits 5 for one token and 0 for the nine others.
    best = 5 - torch.logsumexp(torch.tensor([5.0] + [0.0] * 9), 0)
    torch.testing.assert_close(output.logprob, (3 * best).reshape(1, 1))
    torch.testing.assert_close(output.margin, torch.tensor([[5.0]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_mask_is_nothing_or_very_negative(dtype):
    mask = additive_mask(torch.tensor([[[True, False]]]), dtype)
    assert mask.tolist() == [[[[0.0, torch.finfo(dtype).min]]]]
    assert mask.dtype == dtype
