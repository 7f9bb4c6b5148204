import pytest

from m3_backbone.inference.batching import split_batches
from m3_backbone.inference.engine import AnswerEngine


@pytest.fixture
def engine(backbone):
    return AnswerEngine(backbone.model, backbone.tokenizer)


def test_batches_hold_one_scale_and_rows_of_like_length():
    scales = [9, 1, 9, 9, 1]
    lengths = [7, 4, 5, 6, 3]
    # Scale 1: rows 4 (3 tokens), 1 (4); scale 9: rows 2, 3, 0 with 5, 6, 7.
    assert list(split_batches(scales, lengths, 2)) == [[4, 1], [2, 3], [0]]
    assert list(split_batches([], [], 2)) == []


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
