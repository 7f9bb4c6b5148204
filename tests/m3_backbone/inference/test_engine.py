from itertools import combinations, pairwise

import numpy as np
import pytest

from m3_backbone.inference.batching import split_batches
from m3_backbone.inference.engine import AnswerEngine


@pytest.fixture
def engine(backbone):
    return AnswerEngine(backbone.model, backbone.tokenizer)


def test_batches_hold_rows_of_like_length_as_long_as_padding_costs_more_than_a_pass():
    lengths = [70, 4, 50, 6, 3]
    # By length: rows 4, 1, 3, 2, 0. All in one batch: 5 * 70 = 350 tokens and one pass.
    # Apart: 3 * 6 + 2 * 70 = 158 and two passes; 3 * 6 + 50 + 70 = 138 and three.
    assert split_batches(lengths, 8, pass_tokens=193) == [[4, 1, 3, 2, 0]]
    assert split_batches(lengths, 8, pass_tokens=191) == [[4, 1, 3], [2, 0]]
    assert split_batches(lengths, 8, pass_tokens=19) == [[4, 1, 3], [2], [0]]
    assert split_batches([], 2, 50) == []


def test_batches_are_no_larger_than_they_may_be():
    assert split_batches([5, 4, 3, 2, 1], 2, pass_tokens=1e6) in (
        [[4], [3, 2], [1, 0]],
        [[4, 3], [2], [1, 0]],
        [[4, 3], [2, 1], [0]],
    )


def test_batches_take_the_least_time_of_all_ways_to_cut():
    rng = np.random.default_rng(0)
    for _ in range(20):
        lengths = rng.integers(1, 40, 7).tolist()
        cost = float(rng.uniform(0, 60))
        row = sorted(lengths)

        def price(cuts, row=row, cost=cost):
            edges = [0, *cuts, len(row)]
            return sum((b - a) * row[b - 1] + cost for a, b in pairwise(edges))

        every = (cuts for n in range(7) for cuts in combinations(range(1, 7), n))
        best = min(price(cuts) for cuts in every)
        found = split_batches(lengths, 7, cost)
        assert sorted(i for batch in found for i in batch) == list(range(7))
        taken = sum(len(b) * max(lengths[i] for i in b) + cost for b in found)
        assert taken == pytest.approx(best)


def test_a_prompt_must_leave_room_for_its_answer(engine):
    # 3 + 5 tokens of text, 576 visual, 116 for the answer: just 700, the model's limit.
    [prompt] = engine.tokenize(["red cat?"], [576], 116)
    assert prompt.text_tokens() == 8
    with pytest.raises(ValueError, match="needs 701 tokens .*the model has 700: shorten 'red cat"):
        engine.tokenize(["red cat?"], [576], 117)


@pytest.mark.parametrize("count", [0, -1])
def test_an_answer_has_at_least_one_token(engine, count):
    with pytest.raises(ValueError, match="max_new_tokens must be a whole number of at least 1"):
        engine.tokenize(["red cat?"], [1], count)


def test_prompts_are_grouped_only_if_they_begin_alike(engine, backbone, monkeypatch):
    alike = engine.tokenize(["red?", "blue?"], [1, 1], 4)
    assert engine.can_group([alike, alike[:1]])
    assert not engine.can_group([[], []])
    text_first = [type(alike[0])(before=(1, 9), after=(2,)), alike[0]]
    assert not engine.can_group([text_first])
    image_last = [type(alike[0])(before=(1, 9), after=())]
    assert not engine.can_group([image_last])


@pytest.mark.parametrize(
    ("setting", "expected"), [(7, (7,)), ([7, 2], (7, 2)), (None, (2,))], ids=str
)
def test_the_end_comes_from_the_model_else_from_the_tokenizer(
    build_model, tokenizer, setting, expected
):
    model = build_model()
    model.generation_config.eos_token_id = setting
    assert AnswerEngine(model, tokenizer).eos_ids == expected


def test_a_tokenizer_without_end_never_stops(build_model, tokenizer):
    model = build_model()
    model.generation_config.eos_token_id = None
    tokenizer.eos_token = None
    assert AnswerEngine(model, tokenizer).eos_ids == ()
